//! A Kafka of three brokers, and instances as processes, disturbed for three minutes: the short form of `cargo chaos cluster`.
//! In a suite of its own, so that nothing runs beside it.
//!
//! Runs where a Kafka can be started, and must run where `MILLSTREAM_TEST_BROKER` is `kafka`.

use std::process::Command;

use millstream_local_kafka::{is_available, is_kafka_promised};
use serde_json::Value;

#[test]
fn exactly_once_on_three_brokers_over_kills_and_broken_connections() {
    let asked = std::env::var("MILLSTREAM_TEST_BROKER").unwrap_or_default();
    if !is_kafka_promised() && (!asked.is_empty() || is_available().is_err()) {
        println!("cluster: not run, as no Kafka of three brokers is to be started, or can be");
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["cluster", "--json", "--minutes", "3", "--seed", "2", "--rate", "500"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_else(|| panic!("no report, but\n{log}"));
    println!("{log}{last}");
    let report: Value = serde_json::from_str(last).unwrap();
    assert!(output.status.success() && report["ok"] == true, "{report}");
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    assert!(count("records") > 80_000 && count("outputs") == count("records"), "{report}");
    for event in ["instance_kills", "instance_stops", "broker_kills", "cuts", "lost_answers"] {
        assert!(count(event) > 0, "no {event}: {report}");
    }
}
