//! Standbys, static members, and instances that come to others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{Broker, Outgoing, TopicId, TopicPartition};
use millstream::record::Headers;
use millstream::worker::{Guarantee, Options};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_tests::check::check;
use millstream_tests::cluster::{Cluster, settings};
use millstream_tests::running::{Running, until};
use millstream_tests::workload::{Load, PARTITIONS, Workload};

use crate::support::{clusters, options, unique};

/// Two sub-topologies: the join with the first count, and the second count.
const TASKS: usize = 2 * PARTITIONS as usize;

struct Application {
    id: String,
    workload: Workload,
    cluster: Cluster,
    broker: Arc<dyn Broker>,
    options: Options,
    is_static: bool,
}

impl Application {
    fn prepare(cluster: Cluster, is_static: bool) -> Application {
        let id = unique("standby");
        let workload = Workload(id.clone());
        let broker = cluster.client(&id).unwrap();
        workload.prepare(&*broker).unwrap();
        let options =
            Options { standby_replicas: 1, static_membership: is_static, ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
        // All of the state here is less than the default.
        let options = Options { acceptable_recovery_lag: 10, ..options };
        Application { id, workload, cluster, broker, options, is_static }
    }

    fn start(&self, name: &str) -> Running {
        let broker = self.cluster.member(&self.id, name, self.is_static).unwrap();
        let options = Options { instance_id: name.to_owned(), ..self.options.clone() };
        Running::start(options, self.workload.define(), broker).unwrap()
    }

    /// Writes increments up to so many, and waits until all have come out at the end.
    fn load(&self, load: &mut Load, total: u64) {
        load.write_until(total).unwrap();
        until("all outputs", || {
            let findings = check(&*self.broker, &self.workload)?;
            Ok(findings.inputs == total && findings.lost == 0)
        })
        .unwrap();
    }
}

#[test]
fn a_task_that_moves_to_its_standby_restores_the_tail_alone() {
    for cluster in clusters() {
        let application = Application::prepare(cluster, false);
        let mut load = Load::new(&*application.broker, &application.workload).unwrap();
        let first = application.start("first");
        until("one instance with all tasks", || Ok(first.runs(TASKS))).unwrap();
        application.load(&mut load, 5_000);
        // It may be a while until a topic that was just made can be read and written.
        let control = [TopicPartition::new(format!("{}-instances", application.id), 0)];
        until("the first one to tell of itself", || Ok(application.broker.end_offsets(&control)?[0] > 0)).unwrap();
        // It comes to another one, so it has restored what it is given before it joins.
        let second = application.start("second");
        until("half of the tasks each", || Ok(first.runs(TASKS / 2) && second.runs(TASKS / 2))).unwrap();
        let copied = |running: &Running| running.sum(|worker| &worker.standby_records);
        let (copied, restored) = (copied(&second), second.sum(|worker| &worker.restored));
        // With that protocol members that are not static are in no order, so what it will be given is a guess.
        let is_a_guess = matches!(application.cluster, Cluster::Kafka { protocol: GroupProtocol::Consumer, .. });
        assert!(copied > 0 && (restored < copied / 10 || is_a_guess), "{restored} restored after {copied} copied");
        application.load(&mut load, 10_000);
        until("standbys of all tasks", || {
            Ok(first.standbys().len() == TASKS / 2 && second.standbys().len() == TASKS / 2)
        })
        .unwrap();
        let before = first.sum(|worker| &worker.restored);
        second.stop().unwrap();
        until("one instance with all tasks again", || Ok(first.runs(TASKS))).unwrap();
        let restored = first.sum(|worker| &worker.restored) - before;
        assert!(restored < 1_000, "{restored} records were restored");
        application.load(&mut load, 12_000);
        first.stop().unwrap();
        let findings = check(&*application.broker, &application.workload).unwrap();
        assert_eq!((findings.inputs, findings.outputs), (12_000, 12_000), "{findings:?}");
        assert!(findings.is_exactly_once(), "{findings:?}");
    }
}

#[test]
fn a_static_member_that_is_started_anew_moves_nothing() {
    for cluster in clusters() {
        // The embedded broker knows no static members.
        if matches!(cluster, Cluster::Embedded(_)) {
            continue;
        }
        let application = Application::prepare(cluster, true);
        let mut load = Load::new(&*application.broker, &application.workload).unwrap();
        let first = application.start("first");
        until("one instance with all tasks", || Ok(first.runs(TASKS))).unwrap();
        let second = application.start("second");
        until("half of the tasks each", || Ok(first.runs(TASKS / 2) && second.runs(TASKS / 2))).unwrap();
        application.load(&mut load, 2_000);
        let opened = first.sum(|worker| &worker.opened);
        second.stop().unwrap();
        let second = application.start("second");
        until("the other half again", || Ok(second.runs(TASKS / 2))).unwrap();
        application.load(&mut load, 4_000);
        assert!(first.runs(TASKS / 2) && second.runs(TASKS / 2));
        assert_eq!(first.sum(|worker| &worker.opened), opened, "nothing was taken from who stayed");
        first.stop().unwrap();
        second.stop().unwrap();
        let findings = check(&*application.broker, &application.workload).unwrap();
        assert!(findings.is_exactly_once(), "{findings:?}");
    }
}

/// A transaction that hides the end of a changelog would keep its task from running until its timeout.
#[test]
fn a_dead_owners_transaction_does_not_hold_up_who_takes_over() {
    const TIMEOUT_MS: u64 = 90_000;
    for cluster in clusters() {
        let Cluster::Kafka { address, protocol } = &cluster else { continue };
        let application = Application::prepare(cluster.clone(), false);
        let engine =
            millstream::worker::Application::new(application.options.clone(), application.workload.define()).unwrap();
        let plan = engine.plan(&*application.broker).unwrap();
        engine.create_topics(&*application.broker, &plan).unwrap();
        let changelog = engine.topology.sub_topologies[0].stores.iter().find_map(|s| s.changelog.clone()).unwrap();

        let mut settings = settings(address, *protocol, &application.id);
        settings.producer_properties.insert("transaction.timeout.ms".into(), TIMEOUT_MS.to_string());
        // A member of a group of its own: of a dead one nothing is left but its transaction.
        settings.group_id = unique("dead");
        let mut member = KafkaBroker::new(settings).unwrap().join(&[&*changelog]).unwrap();
        let id = format!("{}-dead-0", application.id);
        let mut dead = member.producer(Some(&id), &[changelog]).unwrap();
        let (topic, partition, headers) = (TopicId(0), Some(0), &Headers::default());
        let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
        dead.send(Outgoing { topic, partition, timestamp: 1, key, value, headers }).unwrap();
        dead.flush(Duration::from_secs(30)).unwrap();
        let said = format!(
            r#"{{"version":1,"order":"dead-","phase":"running","workers":1,"transactional_ids":["{id}"],"active":[{{"task":"0_0"}}]}}"#
        );
        let mut control = application.broker.producer(&[format!("{}-instances", application.id).into()]).unwrap();
        let (key, value) = (Some(&b"dead"[..]), Some(said.as_bytes()));
        control.send(Outgoing { topic, partition, timestamp: 1, key, value, headers }).unwrap();
        control.commit(&[]).unwrap();

        let options = Options { warmup_timeout_ms: 0, instance_id: "next".into(), ..application.options.clone() };
        let since = Instant::now();
        let next = Running::start(options, application.workload.define(), application.broker.clone()).unwrap();
        until("all tasks", || Ok(next.runs(TASKS))).unwrap();
        assert!(since.elapsed() < Duration::from_millis(TIMEOUT_MS * 2 / 3), "after {:?}", since.elapsed());
        println!("{protocol:?}: all tasks run after {:?}", since.elapsed());
        next.stop().unwrap();
        drop((dead, member));
    }
}
