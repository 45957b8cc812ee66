//! Delays of the US flights of 2001 by airport, hour and day.

mod load;
mod model;
mod show;
#[cfg(test)]
mod tests;
mod topology;

use std::process::ExitCode;

use millstream_service::Service;

fn main() -> ExitCode {
    Service::new("flights", topology::topology)
        .defaults(include_str!("../../../config/flights.yaml"))
        .load(load::load)
        .results(show::table)
        .main()
}
