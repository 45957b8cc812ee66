//! `cargo compare-avro`: Avro beside other libraries, in ns a record.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_bench::compare_avro()
}
