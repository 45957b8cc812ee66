//! A principal that lacks a right is told which, right after right.

use std::sync::Arc;
use std::time::Duration;

use millstream::worker::Guarantee;
use millstream_kafka::KafkaBroker;
use millstream_tests::running::Running;

use super::{Secure, secure, words};
use crate::support::{options, unique};

/// Why it does not run.
fn failure(secure: &Secure, id: &str) -> String {
    let settings = secure.as_user(id, "SCRAM-SHA-256", "poor", "poor-secret");
    let broker = Arc::new(KafkaBroker::new(settings).unwrap());
    broker.wait_until_up(Duration::from_secs(60), &mut |_| {}).unwrap();
    match Running::start(options(id, 0, 1, Guarantee::ExactlyOnce), words(id), broker) {
        Err(error) => error.to_string(),
        Ok(running) => running.failure().unwrap().to_string(),
    }
}

#[test]
fn the_error_names_the_right_the_resource_and_the_principal() {
    let Some(secure) = secure() else { return };
    let id = unique("rights");
    secure.prepare(&id, 10);
    let (topic, group, transactional_id) = ("--topic", "--group", "--transactional-id");
    let steps = [
        ("DESCRIBE topic", format!("--operation Describe --topic {id}-in"), topic, vec!["Describe"]),
        (
            "DESCRIBECONFIGS topic",
            format!("--operation DescribeConfigs --topic {id}-in"),
            topic,
            vec!["DescribeConfigs"],
        ),
        ("CREATE topic", format!("--operation Create --topic {id}-"), topic, vec!["Create"]),
        ("READ group", format!("--operation Read --group {id}"), group, vec!["Read"]),
        ("READ topic", format!("--operation Read --topic {id}-"), topic, vec!["Read", "Delete"]),
        ("WRITE transactional-id", format!("--transactional-id {id}-"), transactional_id, vec!["Describe", "Write"]),
        ("WRITE topic", format!("--operation Write --topic {id}-"), topic, vec!["Write"]),
    ];
    let mut tried: Vec<&str> = Vec::new();
    // Which of several missing rights is asked for first is not the point.
    while tried.len() < steps.len() {
        let error = failure(secure, &id);
        println!("{error}");
        let (right, hint, resource, operations) = steps
            .iter()
            .find(|(right, ..)| error.contains(&format!("principal User:poor has no right to {right}")))
            .unwrap_or_else(|| panic!("{error}"));
        assert!(!tried.contains(right), "{right} was granted: {error}");
        assert!(error.contains("grant it with kafka-acls --add --allow-principal User:poor "), "{error}");
        assert!(error.contains(hint), "{error}");
        secure.grant("poor", operations, &[resource], &id);
        tried.push(right);
    }
    let settings = secure.as_user(&id, "SCRAM-SHA-256", "poor", "poor-secret");
    let broker = Arc::new(KafkaBroker::new(settings).unwrap());
    let running = Running::start(options(&id, 0, 1, Guarantee::ExactlyOnce), words(&id), broker).unwrap();
    secure.await_counted(&id, 10);
    running.stop().unwrap();
}
