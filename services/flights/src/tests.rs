//! The service on a broker in memory, compared with a plain computation over the same file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::client::read_all;
use millstream::dsl::TopologyBuilder;
use millstream::worker::{Application, Moment, Options};
use millstream_formats::Formats;
use millstream_memory::{ClientSettings, MemoryBroker};
use millstream_service::run::{RunOptions, run};
use serde_json::Value;

use crate::model::{delays_by_hour, worst_airports};
use crate::{load, show, topology};

/// Flights, minutes in sum, and the largest delay.
type Sums = (i64, i64, i64);

/// The sums of the data's file by origin and a first part of the date, without any code of the service.
fn sums(date_len: usize) -> BTreeMap<(String, String), Sums> {
    let flights: Vec<Value> = serde_json::from_str(load::FLIGHTS).unwrap();
    assert_eq!(flights.len(), 20_000);
    let mut sums = BTreeMap::new();
    for flight in flights {
        let date = flight["date"].as_str().unwrap()[..date_len].to_owned();
        let delay = flight["delay"].as_i64().unwrap();
        let sum: &mut Sums =
            sums.entry((date, flight["origin"].as_str().unwrap().to_owned())).or_insert((0, 0, i64::MIN));
        *sum = (sum.0 + 1, sum.1 + delay, sum.2.max(delay));
    }
    sums
}

/// Loads, and runs to the end with two workers.
fn processed(formats: &Formats) -> Arc<dyn Broker> {
    let cluster = MemoryBroker::new();
    let broker = cluster.client(ClientSettings::new("flights"));
    load::load(&*broker, formats).unwrap();
    let of_topology = formats.clone();
    let define = move |b: &TopologyBuilder| topology::topology(b, &of_topology);
    let options = Options { workers: 2, until: Some(Moment::End), ..Options::new("flights", "test") };
    let application = Application::new(options, Arc::new(define)).unwrap();
    let plan = application.plan(&*broker).unwrap();
    application.create_topics(&*broker, &plan).unwrap();
    let options = RunOptions::new(Duration::from_secs(60));
    run(application, broker.clone(), &options, &AtomicBool::new(false), |_| ()).unwrap();
    broker
}

#[test]
fn averages_equal_a_plain_computation_over_the_file() {
    compare(&Formats::default());
}

fn compare(formats: &Formats) {
    let broker = processed(formats);
    let patience = Duration::from_secs(10);

    let mut hours = BTreeMap::new();
    for read in read_all(&*broker, &delays_by_hour(formats), patience).unwrap() {
        let at = read.record.key;
        let start = chrono::DateTime::from_timestamp_millis(at.window.start).unwrap();
        hours.insert((start.format("%Y/%m/%d %H").to_string(), at.key), read.record.value.unwrap());
    }
    let expected = sums("2001/01/01 00".len());
    assert_eq!(hours.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (at, (flights, total, max)) in &expected {
        let delays = &hours[at];
        assert_eq!((delays.flights, delays.total_minutes, delays.max_minutes), (*flights, *total, *max), "{at:?}");
        assert_eq!(delays.average_minutes, *total as f64 / *flights as f64, "{at:?}");
    }

    let mut days = BTreeMap::new();
    for read in read_all(&*broker, &worst_airports(formats), patience).unwrap() {
        days.insert(read.record.key, read.record.value.unwrap());
    }
    let mut ranked: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
    for ((day, iata), (flights, total, _)) in sums("2001/01/01".len()) {
        let of_day = ranked.entry(day.replace('/', "-")).or_default();
        if flights >= 5 {
            of_day.push((total as f64 / flights as f64, iata));
        }
    }
    assert_eq!(days.len(), ranked.len());
    for (day, mut expected) in ranked {
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        expected.truncate(10);
        let found = days[&day].iter().map(|ranked| (ranked.delays.average_minutes, ranked.iata.clone()));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{day}");
    }

    let table = show::table(&*broker, formats).unwrap();
    let (at, (flights, total, max)) =
        expected.iter().max_by(|a, b| a.1.0.cmp(&b.1.0).then(b.0.cmp(a.0))).expect("there are hours");
    let day_and_hour = at.0.replace('/', "-");
    let average = *total as f64 / *flights as f64;
    let line = format!("{day_and_hour}:00  {:<4}  {flights:>7}  {average:>7.1}  {max:>5}  ", at.1);
    assert!(table.contains(&line), "no line begins with {line:?} in\n{table}");
}
