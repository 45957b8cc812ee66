//! `cargo nexmark`: see its help.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_nexmark::main()
}
