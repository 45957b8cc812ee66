//! Delays of the US flights of 2001 by airport, hour and day.

mod load;
mod model;
mod show;
#[cfg(test)]
mod tests;
mod topology;

use std::process::ExitCode;

use millstream_formats::Formats;
use millstream_service::Service;

fn main() -> ExitCode {
    let formats = Formats::default();
    let (of_topology, of_input, of_results) = (formats.clone(), formats.clone(), formats.clone());
    Service::new("flights", move |b| topology::topology(b, &of_topology))
        .formats(&formats)
        .defaults(include_str!("../../../config/flights.yaml"))
        .load(move |broker| load::load(broker, &of_input))
        .results(move |broker| show::table(broker, &of_results))
        .main()
}
