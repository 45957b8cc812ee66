//! Instances come and go under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream::broker::Broker;
use millstream::worker::Guarantee;
use millstream_tests::check::check;
use millstream_tests::cluster::Cluster;
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
    guarantee: Guarantee,
}

impl Application {
    fn prepare(cluster: Cluster, guarantee: Guarantee) -> Application {
        let id = unique("scaling");
        let workload = Workload(id.clone());
        let broker = cluster.client(&id).unwrap();
        workload.prepare(&*broker).unwrap();
        Application { id, workload, cluster, broker, guarantee }
    }

    fn start(&self, instance: usize) -> Running {
        let broker = self.cluster.client(&self.id).unwrap();
        Running::start(options(&self.id, instance, 2, self.guarantee), self.workload.define(), broker).unwrap()
    }

    /// Writes increments, in the background, until `stop`; returns how many.
    fn load(&self, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
        let mut load = Load::new(&*self.broker, &self.workload).unwrap();
        std::thread::spawn(move || {
            let mut total = 0;
            while !stop.load(Ordering::Relaxed) {
                total += 500;
                load.write_until(total).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            total
        })
    }

    /// Waits until every increment has come out at the end.
    fn finish(&self, inputs: u64) {
        until("all outputs", || {
            let findings = check(&*self.broker, &self.workload)?;
            Ok(findings.inputs == inputs && findings.lost == 0)
        })
        .unwrap();
    }
}

/// How many records were read from changelogs, also before the instance joined.
fn read_from_changelogs(running: &Running) -> u64 {
    running.sum(|worker| &worker.restored) + running.sum(|worker| &worker.standby_records)
}

fn scales(guarantee: Guarantee) {
    for cluster in clusters() {
        let application = Application::prepare(cluster, guarantee);
        let stop = Arc::new(AtomicBool::new(false));
        let load = application.load(stop.clone());

        let first = application.start(0);
        until("one instance with all tasks", || Ok(first.runs(TASKS))).unwrap();
        let (second, third) = (application.start(1), application.start(2));
        let shared = TASKS / 3;
        until("three instances with a third each", || {
            Ok([&first, &second, &third].iter().all(|instance| instance.runs(shared)))
        })
        .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        second.stop().unwrap();
        first.stop().unwrap();
        until("the last instance with all tasks", || Ok(third.runs(TASKS))).unwrap();

        stop.store(true, Ordering::Relaxed);
        let inputs = load.join().unwrap();
        application.finish(inputs);
        third.stop().unwrap();
        let findings = check(&*application.broker, &application.workload).unwrap();
        assert_eq!((findings.inputs, findings.outputs), (inputs, inputs), "{findings:?}");
        assert!(findings.is_exactly_once(), "{findings:?}");
    }
}

/// Nobody is killed here, so at least once is exactly once too.
#[test]
fn from_one_to_three_instances_and_back_under_load() {
    scales(Guarantee::ExactlyOnce);
    scales(Guarantee::AtLeastOnce);
}

#[test]
fn state_comes_back_on_empty_machines() {
    for cluster in clusters() {
        let application = Application::prepare(cluster, Guarantee::ExactlyOnce);
        let mut load = Load::new(&*application.broker, &application.workload).unwrap();
        for (round, total) in [20_000, 30_000, 31_000].into_iter().enumerate() {
            let (first, second) = (application.start(2 * round), application.start(2 * round + 1));
            load.write_until(total).unwrap();
            application.finish(total);
            let restored = read_from_changelogs(&first) + read_from_changelogs(&second);
            assert!(round == 0 || restored > 0, "nothing was restored in round {round}");
            first.stop().unwrap();
            second.stop().unwrap();
        }
        let findings = check(&*application.broker, &application.workload).unwrap();
        assert_eq!(findings.outputs, 31_000, "{findings:?}");
        assert!(findings.is_exactly_once(), "{findings:?}");
    }
}

/// A task that was given away and comes back finds its state parked: nothing was written to its changelogs meanwhile.
#[test]
fn a_task_that_comes_back_restores_nothing_that_it_had() {
    for cluster in clusters() {
        let application = Application::prepare(cluster, Guarantee::ExactlyOnce);
        let first = application.start(0);
        until("one instance with all tasks", || Ok(first.runs(TASKS))).unwrap();
        let mut load = Load::new(&*application.broker, &application.workload).unwrap();
        load.write_until(10_000).unwrap();
        application.finish(10_000);
        let second = application.start(1);
        until("half of the tasks each", || Ok(first.runs(TASKS / 2) && second.runs(TASKS / 2))).unwrap();
        assert!(read_from_changelogs(&second) > 0, "the other instance has no state to begin with");
        second.stop().unwrap();
        until("one instance with all tasks again", || Ok(first.runs(TASKS))).unwrap();
        assert_eq!(first.sum(|worker| &worker.restored), 0);
        first.stop().unwrap();
    }
}
