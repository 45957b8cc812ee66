//! Counts words: the smallest Millstream service.

mod demo;
mod topology;

use std::process::ExitCode;

use millstream_service::Service;

fn main() -> ExitCode {
    Service::new("word-count", topology::topology)
        .defaults(include_str!("../../../config/word-count.yaml"))
        .load(demo::load)
        .results(demo::table)
        .main()
}
