//! What an application demands of its topics before it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::prelude::*;
use millstream::topology::Define;
use millstream::worker::{Application, Guarantee, OffsetReset, Options};
use millstream_tests::running::Running;

use crate::support::{clusters, options, unique};

fn create(broker: &dyn Broker, name: &str, partitions: i32, cleanup_policy: CleanupPolicy) {
    let (name, config) = (name.to_owned(), BTreeMap::new());
    broker.create(&[NewTopic { name, partitions, replication_factor: None, cleanup_policy, config }]).unwrap();
}

fn joined(id: &str) -> Define {
    let (sales, prices) = (format!("{id}-sales"), format!("{id}-prices"));
    Arc::new(move |b| {
        let prices = b.table(&Topic::new(prices.as_str(), Utf8, Utf8), Store::new("prices", Utf8, Utf8));
        b.stream(&Topic::new(sales.as_str(), Utf8, Utf8))
            .join(&prices, |sale: String, price: &String| sale + price)
            .group_by_key()
            .count(Store::<_, i64>::new("counts", Utf8, Be64));
    })
}

fn refusal(broker: &dyn Broker, options: Options, define: Define) -> String {
    let application = Application::new(options, define).unwrap();
    application.plan(broker).unwrap_err().to_string()
}

#[test]
fn topics_that_do_not_fit_are_refused() {
    for cluster in clusters() {
        let id = unique("starting");
        let broker = cluster.client(&id).unwrap();
        let refusal = || refusal(&*broker, options(&id, 0, 1, Guarantee::ExactlyOnce), joined(&id));

        let error = refusal();
        assert!(error.contains(&format!("source topic {id}-sales does not exist; create it")), "{error}");

        create(&*broker, &format!("{id}-sales"), 4, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-prices"), 3, CleanupPolicy::Delete);
        let error = refusal();
        assert!(error.contains(&format!("{id}-prices has 3 partitions and {id}-sales has 4")), "{error}");
    }
}

#[test]
fn internal_topics_that_are_not_as_they_must_be_are_refused() {
    for cluster in clusters() {
        let id = unique("starting");
        let broker = cluster.client(&id).unwrap();
        create(&*broker, &format!("{id}-sales"), 4, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-prices"), 4, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-prices-changelog"), 4, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-counts-changelog"), 2, CleanupPolicy::Compact);
        let error = refusal(&*broker, options(&id, 0, 1, Guarantee::ExactlyOnce), joined(&id));
        let (policy, count) = (
            format!("internal topic {id}-prices-changelog has cleanup.policy=delete and must have compact"),
            format!("internal topic {id}-counts-changelog has 2 partitions and must have 4"),
        );
        assert!(error.contains(&policy) && error.contains(&count), "{error}");
    }
}

#[test]
fn topics_are_created_as_planned_once() {
    for cluster in clusters() {
        let id = unique("starting");
        let broker = cluster.client(&id).unwrap();
        create(&*broker, &format!("{id}-sales"), 4, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-prices"), 4, CleanupPolicy::Compact);
        let application = Application::new(options(&id, 0, 1, Guarantee::ExactlyOnce), joined(&id)).unwrap();
        let plan = application.plan(&*broker).unwrap();
        assert_eq!(plan.tasks, [4]);
        application.create_topics(&*broker, &plan).unwrap();
        application.create_topics(&*broker, &plan).unwrap();
        let plan = application.plan(&*broker).unwrap();
        assert!(plan.topics.iter().all(|topic| topic.exists), "{plan}");
        let described = broker.describe(&[&format!("{id}-counts-changelog")]).unwrap();
        let described = described[0].as_ref().unwrap();
        assert_eq!((described.partitions, described.cleanup_policy), (4, CleanupPolicy::Compact));
    }
}

#[test]
fn without_a_position_and_with_offset_reset_error_an_instance_stops_with_the_reason() {
    for cluster in clusters() {
        let id = unique("starting");
        let broker = cluster.client(&id).unwrap();
        create(&*broker, &format!("{id}-sales"), 1, CleanupPolicy::Delete);
        create(&*broker, &format!("{id}-prices"), 1, CleanupPolicy::Delete);
        let options = Options { offset_reset: OffsetReset::Error, ..options(&id, 0, 1, Guarantee::ExactlyOnce) };
        let error = Running::start(options, joined(&id), broker).unwrap().failure().unwrap().to_string();
        assert!(error.contains("the group has no position in") && error.contains("offset_reset is `error`"), "{error}");
    }
}
