//! Tables whose tasks move between instances that start, stop and crash.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Assignment, Broker, CleanupPolicy, Fetched, NewTopic, Position, TopicPartition, Waker};
use millstream::client::RecordWriter;
use millstream::worker::{Application, Instance, Options, Phase, Step as Progress, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::*;

const PARTITIONS: i32 = 2;

/// After how long the cluster gives up an instance that is gone, and its transaction.
const TIMEOUT_MS: i64 = 300;

/// A re-grouped table whose source is its changelog, and a foreign-key join.
fn define(b: &TopologyBuilder) {
    let rows = b.table_from_changelog(&left(), "left");
    let others = b.table(&right(), Store::new("right", Utf8, Be64));
    rows.group_by(Topic::new("by-group", Utf8, Be64), |_, (group, value)| (group.clone(), *value))
        .reduce(Store::new("sums", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
        .to_stream()
        .to(&output());
    rows.join_foreign("by-foreign", &others, |(key, _)| Some(key.clone()), |(_, a), b| format!("{a} {b}"))
        .to_stream()
        .to(&text());
}

#[derive(Clone, Debug)]
enum Action {
    Left(u8, Option<(u8, i64)>),
    Right(u8, Option<i64>),
    /// This one of the instances goes on so many steps.
    Run(usize, u8),
    /// This one is started, or stopped if it runs.
    Toggle(usize),
    /// This one is gone all at once, if it runs.
    Crash(usize),
    /// All stand still for so many ms: beyond the timeout, what they did since their last commit is aborted.
    Pause(i64),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (0..4_u8, prop::option::weighted(0.8, (0..3_u8, -9..10_i64))).prop_map(|(k, row)| Action::Left(k, row)),
        3 => (0..3_u8, prop::option::weighted(0.7, -9..10_i64)).prop_map(|(k, row)| Action::Right(k, row)),
        8 => (0..2_usize, 1..30_u8).prop_map(|(i, steps)| Action::Run(i, steps)),
        2 => (0..2_usize).prop_map(Action::Toggle),
        1 => (0..2_usize).prop_map(Action::Crash),
        1 => (0..3 * TIMEOUT_MS).prop_map(Action::Pause),
    ];
    prop::collection::vec(action, 1..60)
}

struct Process {
    instance: Instance,
    worker: Worker,
}

struct Simulation {
    cluster: MemoryBroker,
    broker: Arc<dyn Broker>,
    applications: Vec<Arc<Application>>,
    processes: Vec<Option<Process>>,
    now: Timestamp,
}

impl Simulation {
    fn new() -> Self {
        let cluster = MemoryBroker::new();
        let (session_timeout_ms, transaction_timeout_ms) = (TIMEOUT_MS, TIMEOUT_MS);
        let settings = ClientSettings { session_timeout_ms, transaction_timeout_ms, ..ClientSettings::new("app") };
        let broker = cluster.client(settings);
        for (name, cleanup_policy) in [
            (left().name().to_string(), CleanupPolicy::Compact),
            (right().name().to_string(), CleanupPolicy::Delete),
            (output().name().to_string(), CleanupPolicy::Delete),
            (text().name().to_string(), CleanupPolicy::Delete),
        ] {
            // Rows stay as they were written: what compaction may take away is another matter.
            let config = [("retention.ms", "-1"), ("min.compaction.lag.ms", "9000000000000000000")];
            let config = config.map(|(key, value)| (key.to_string(), value.to_string())).into();
            let (partitions, replication_factor) = (PARTITIONS, None);
            broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
        }
        let applications = ["one", "two"].map(|instance| {
            let options = Options { commit_interval_ms: 20, ..Options::new("app", instance) };
            Application::new(options, Arc::new(define)).unwrap()
        });
        let plan = applications[0].plan(&*broker).unwrap();
        applications[0].create_topics(&*broker, &plan).unwrap();
        let processes = vec![None, None];
        Simulation { cluster, broker, applications: applications.into(), processes, now: 0 }
    }

    fn start(&mut self, number: usize) {
        let waker: Waker = Arc::new(|| ());
        let application = self.applications[number].clone();
        let (instance, mut seeds) = Instance::start(application, self.broker.clone(), vec![waker]).unwrap();
        self.processes[number] = Some(Process { instance, worker: Worker::from(seeds.remove(0)) });
    }

    /// One step of an instance that runs; whether there was nothing to do.
    fn step(&mut self, number: usize) -> bool {
        self.now += 1;
        self.cluster.advance_to(self.now);
        let Some(process) = &mut self.processes[number] else {
            return true;
        };
        let phase = process.instance.step(Duration::ZERO);
        let idle = process.worker.step(self.now) != Progress::Busy;
        assert!(process.instance.failure().is_none(), "{:?}", process.instance.failure());
        if phase == Phase::Stopped {
            self.processes[number] = None;
        }
        idle
    }

    /// How many tasks an instance has.
    fn tasks(&self, number: usize) -> usize {
        let process = self.processes[number].as_ref();
        process.map_or(0, |process| process.instance.status().iter().map(|status| status.tasks().len()).sum())
    }

    fn write<K: 'static, V: 'static>(&self, topic: &Topic<K, V>, record: &Record<K, Option<V>>) {
        let mut writer = RecordWriter::new(&*self.broker).unwrap();
        writer.send(topic, record).unwrap();
        writer.flush().unwrap();
    }

    /// Runs the first instance alone until all is processed, what others left behind being over.
    fn settle(&mut self) {
        self.processes.truncate(1);
        self.processes.push(None);
        for _ in 0..2 * TIMEOUT_MS {
            self.step(0);
        }
        if self.processes[0].is_none() {
            self.start(0);
        }
        for _ in 0..100_000 {
            let idle = self.step(0);
            let all = self.tasks(0) == 3 * PARTITIONS as usize;
            let process = self.processes[0].as_mut().unwrap();
            if idle && all && process.instance.is_drained(&*self.broker).unwrap() {
                return;
            }
        }
        panic!("the topology does not come to rest");
    }

    fn latest<V: 'static>(&self, topic: &Topic<String, V>) -> Rows<V> {
        let mut rows = Rows::new();
        for number in 0..PARTITIONS {
            let partition = TopicPartition::new(topic.name(), number);
            let assignment = Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) };
            let mut reader = self.broker.reader(assignment).unwrap();
            let mut take = |fetched: Fetched<'_>| {
                if let Fetched::Record(message) = fetched {
                    let key = String::from_utf8(message.key.unwrap().to_vec()).unwrap();
                    set(&mut rows, &key, message.value.map(|value| topic.value_serde().decode(value).unwrap()));
                }
                std::ops::ControlFlow::Continue(())
            };
            while reader.read(1000, &mut take).unwrap() > 0 {}
        }
        rows
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_when_tasks_move(actions in actions()) {
        let mut simulation = Simulation::new();
        let mut model = Model::default();
        for action in actions {
            match action {
                Action::Left(key, row) => {
                    let (key, row) = (key.to_string(), row.map(|(group, value)| (group.to_string(), value)));
                    set(&mut model.left, &key, row.clone());
                    simulation.write(&left(), &Record::new(key, row, simulation.now));
                }
                Action::Right(key, row) => {
                    set(&mut model.right, &key.to_string(), row);
                    simulation.write(&right(), &Record::new(key.to_string(), row, simulation.now));
                }
                Action::Run(number, steps) => {
                    for _ in 0..steps {
                        simulation.step(number);
                    }
                }
                Action::Toggle(number) => match &mut simulation.processes[number] {
                    Some(process) => process.instance.stop(),
                    None => simulation.start(number),
                },
                Action::Crash(number) => simulation.processes[number] = None,
                Action::Pause(time) => simulation.now += time,
            }
        }
        simulation.processes = vec![None, None];
        simulation.settle();
        prop_assert_eq!(simulation.latest(&output()), sums(&model, simulation.latest(&output())));
        prop_assert_eq!(simulation.latest(&text()), joined(&model));
    }
}

/// The sum of each group; 0 for one that had rows once, as was seen.
fn sums(model: &Model, seen: Rows<i64>) -> Rows<i64> {
    let mut sums: Rows<i64> = seen.into_keys().map(|group| (group, 0)).collect();
    for (group, value) in model.left.values() {
        *sums.entry(group.clone()).or_default() += value;
    }
    sums
}

fn joined(model: &Model) -> Rows<String> {
    let rows = model.left.iter().filter_map(|(key, (group, value))| {
        let other = model.right.get(group)?;
        Some((key.clone(), format!("{value} {other}")))
    });
    rows.collect()
}

/// State that is parked meanwhile goes on from where it was, and not from where the topic ended then.
#[test]
fn a_task_that_comes_back_knows_what_was_processed_elsewhere() {
    let mut simulation = Simulation::new();
    let row = |key: i64, value| Record::new(key.to_string(), value, 0);
    let mut rows = 0;
    let mut go_on = |simulation: &mut Simulation, write: bool| {
        for _ in 0..200 {
            for _ in 0..if write { 4 } else { 0 } {
                rows += 1;
                simulation.write(&left(), &row(rows, Some(("g".to_string(), 1))));
            }
            simulation.step(0);
            simulation.step(1);
        }
        rows
    };
    simulation.start(0);
    go_on(&mut simulation, true);
    simulation.start(1);
    go_on(&mut simulation, true);
    assert!([0, 1].iter().all(|i| simulation.tasks(*i) == 3), "each has half of the tasks");
    simulation.processes[1].as_mut().unwrap().instance.stop();
    let rows = go_on(&mut simulation, false);
    assert_eq!(simulation.tasks(0), 6);
    simulation.settle();
    assert_eq!(simulation.latest(&output()), Rows::from([("g".to_string(), rows)]));
    // A row that is not known is not subtracted.
    (1..=rows).for_each(|key| simulation.write(&left(), &row(key, None)));
    simulation.settle();
    assert_eq!(simulation.latest(&output()), Rows::from([("g".to_string(), 0)]));
}
