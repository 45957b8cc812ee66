//! Each query says what DuckDB says. Where DuckDB cannot be had (it takes `python3` with `venv`, and the first time the Python Package
//! Index) a line says that nothing was compared; with `MILLSTREAM_TEST_BROKER=kafka`, which promises all services, it is a failure.

use millstream_local_kafka::is_kafka_promised;
use millstream_nexmark::check::{Comparison, Mode, is_available};
use millstream_nexmark::queries::QUERIES;

const EVENTS: u64 = 20_000;
const RATE: u64 = 100;

fn compare(mode: Mode) {
    if let Err(missing) = is_available() {
        assert!(!is_kafka_promised(), "no DuckDB to compare with: {missing:#}");
        println!("not compared with DuckDB: {missing:#}");
        return;
    }
    let comparison = Comparison::new(mode, EVENTS, RATE).unwrap();
    let mut different = Vec::new();
    for query in QUERIES {
        let compared = comparison.compare(query).unwrap();
        assert!(compared.rows > 0, "{} says nothing", query.name);
        if !compared.agrees() {
            let (missing, wrong) = (compared.missing.iter().min(), compared.wrong.iter().min());
            different.push(format!("{}: missing {missing:?}, wrong {wrong:?}", query.name));
        }
    }
    assert!(different.is_empty(), "{mode:?}:\n{}", different.join("\n"));
}

#[test]
fn all_queries_agree_with_duckdb_over_events_in_order() {
    compare(Mode::InOrder);
}

#[test]
fn all_queries_agree_with_duckdb_over_events_out_of_order() {
    compare(Mode::OutOfOrder);
}

#[test]
fn all_queries_agree_with_duckdb_over_several_partitions_and_workers() {
    compare(Mode::Spread);
}

/// The comparison would notice: windows that are closed before events that are out of order come lose some.
#[test]
fn a_bound_that_is_too_small_is_noticed() {
    if is_available().is_err() {
        return;
    }
    let comparison = Comparison::new(Mode::OutOfOrder, 5_000, RATE).unwrap().with_disorder(std::time::Duration::ZERO);
    for query in QUERIES.iter().filter(|query| ["q5", "q7"].contains(&query.name)) {
        let compared = comparison.compare(query).unwrap();
        assert!(!compared.missing.is_empty() && !compared.wrong.is_empty(), "{} waits for nothing", query.name);
    }
}
