//! Repartition topics are kept short.

use std::time::Duration;

use millstream::client::read_all;
use millstream::serde::Bytes;
use millstream::topic::Topic;
use millstream::worker::{Guarantee, Options};
use millstream_tests::check::check;
use millstream_tests::running::{Running, until};
use millstream_tests::workload::{KEYS, Load, Workload};

use crate::support::{clusters, options, unique};

#[test]
fn consumed_repartition_records_are_deleted_and_others_are_not() {
    for cluster in clusters() {
        let id = unique("purging");
        let workload = Workload(id.clone());
        let broker = cluster.client(&id).unwrap();
        workload.prepare(&*broker).unwrap();
        let options = Options { repartition_purge_interval_ms: 200, ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
        let running = Running::start(options, workload.define(), cluster.client(&id).unwrap()).unwrap();
        let mut load = Load::new(&*broker, &workload).unwrap();
        // What is deleted are records up to the commit before: so there must be some after it.
        for round in 1..=5 {
            load.write_until(round * KEYS).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        until("all outputs", || Ok(check(&*broker, &workload)?.lost == 0)).unwrap();
        let repartition: Topic<Vec<u8>, Vec<u8>> = Topic::new(format!("{id}-by-bucket-repartition"), Bytes, Bytes);
        until("repartition records to be deleted", || {
            Ok((read_all(&*broker, &repartition, Duration::from_secs(60))?.len() as u64) < 2 * KEYS)
        })
        .unwrap();
        running.stop().unwrap();
        let findings = check(&*broker, &workload).unwrap();
        assert!(findings.is_exactly_once() && findings.outputs == 5 * KEYS, "{findings:?}");
    }
}
