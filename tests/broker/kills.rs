//! Instances as processes, killed with SIGKILL while records flow, on Kafka: the short form of `cargo chaos eos`.

use std::process::Command;

use millstream_local_kafka::TestBroker;
use millstream_local_kafka::test_brokers;
use serde_json::Value;

/// Runs the program; `None` where no Kafka is to be used.
fn chaos(arguments: &[&str]) -> Option<(bool, Value)> {
    let kafka = test_brokers().into_iter().find_map(|broker| match broker {
        TestBroker::Kafka(address) => Some(address),
        TestBroker::Embedded => None,
    });
    let Some(address) = kafka else {
        println!("kills: not run, as only the embedded broker is here, which ends with its process");
        return None;
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["eos", "--json", "--seed", "7"]).args(arguments);
    // Who restarts the broker takes one of its own.
    if !arguments.contains(&"--broker-restarts") {
        command.args(["--bootstrap-servers", &address]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_else(|| panic!("no report, but\n{log}"));
    println!("{log}{last}");
    Some((output.status.success(), serde_json::from_str(last).unwrap()))
}

#[test]
fn exactly_once_over_kills_and_a_restart_of_the_broker() {
    for protocol in ["classic", "consumer"] {
        let arguments = ["--records", "40000", "--kills", "4", "--broker-restarts", "1", "--protocol", protocol];
        let Some((ok, report)) = chaos(&arguments) else { return };
        assert!(ok && report["ok"] == true && report["outputs"] == 40_000, "{report}");
    }
}

#[test]
fn at_least_once_loses_nothing_over_kills() {
    let arguments = ["--records", "40000", "--kills", "4", "--guarantee", "at-least-once"];
    let Some((ok, report)) = chaos(&arguments) else { return };
    assert!(ok && report["lost"] == 0 && report["inputs"] == 40_000, "{report}");
}

/// The check notices what it is there for.
#[test]
fn offsets_committed_outside_of_the_transaction_are_noticed() {
    let Some((ok, report)) = chaos(&["--records", "40000", "--kills", "4", "--offsets-outside"]) else { return };
    assert!(!ok && report["ok"] == false, "{report}");
    assert!(report["lost"].as_u64().unwrap() > 0, "{report}");
}
