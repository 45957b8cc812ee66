//! `cargo compare WORKLOAD`; see the crate's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_bench::main()
}
