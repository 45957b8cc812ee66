use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream::state::StoreSize;
use millstream::worker::{ErrorLabels, TaskState, TaskStatus, WorkerStatus};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, Registry, TextEncoder};

use crate::error::Error;
use crate::health::Health;
use crate::restore::Restore;

/// What `/metrics` shows, read from the workers when it is asked for.
pub(crate) struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The metrics of an instance.
    pub(crate) fn new(health: Arc<Health>, application_id: &str, instance_id: &str) -> Result<Self, Error> {
        let registry = Registry::new();
        let info = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("application_id", application_id.to_owned()),
            ("instance_id", instance_id.to_owned()),
        ];
        let collector = Workers { health, info: info.map(|(name, value)| pair(name, value)).to_vec() };
        registry.register(Box::new(collector)).map_err(|error| Error::system("metrics", &error))?;
        Ok(Metrics { registry })
    }

    /// Prometheus' text format.
    pub(crate) fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Its content type.
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

struct Workers {
    health: Arc<Health>,
    info: Vec<LabelPair>,
}

impl Collector for Workers {
    /// None: which metrics there are depends on nothing but this collector, and it is the only one.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let samples: Vec<Sample> = self.health.workers().iter().map(|worker| Sample::of(worker)).collect();
        let mut families = vec![family(
            "millstream_info",
            "What runs; always 1.",
            MetricType::GAUGE,
            vec![gauge(1.0, self.info.clone())],
        )];
        if let Some(resident) = crate::memory::resident() {
            let help = "The process' memory in use, in bytes.";
            let metric = gauge(resident as f64, Vec::new());
            families.push(family("process_resident_memory_bytes", help, MetricType::GAUGE, vec![metric]));
        }
        families.extend(of_workers(&samples));
        families
    }
}

/// A worker's numbers at one moment.
struct Sample {
    counts: [u64; COUNTERS.len()],
    /// Late records, by node.
    late: BTreeMap<Arc<str>, u64>,
    errors: BTreeMap<ErrorLabels, u64>,
    /// What each store holds.
    stores: BTreeMap<Arc<str>, StoreSize>,
    buffer_bytes: u64,
    moved_at: i64,
    tasks: Vec<TaskStatus>,
}

/// The counters in the order of [`Sample::counts`].
const COUNTERS: [(&str, &str); 7] = [
    ("millstream_records_consumed_total", "Records processed."),
    ("millstream_records_produced_total", "Records sent, those to changelogs included."),
    ("millstream_records_restored_total", "Records read from changelogs."),
    ("millstream_records_standby_total", "Records of changelogs read for standbys."),
    ("millstream_records_transferred_total", "Rows of state taken from other instances' memory."),
    ("millstream_commits_total", "Commits that went through."),
    ("millstream_aborts_total", "Times that tasks went back to their last commit."),
];

/// A gauge's name, its help, and where its number is.
type StoreGauge = (&'static str, &'static str, fn(&StoreSize) -> u64);

/// What is told of each store.
const STORE_GAUGES: [StoreGauge; 2] = [
    ("millstream_store_bytes", "About how many bytes of memory a store takes.", |size| size.bytes),
    ("millstream_store_rows", "How many rows a store has.", |size| size.rows),
];

impl Sample {
    fn of(worker: &WorkerStatus) -> Self {
        let WorkerStatus {
            consumed, produced, restored, standby_records, transferred, commits, aborts, moved_at, ..
        } = worker;
        Sample {
            counts: [consumed, produced, restored, standby_records, transferred, commits, aborts]
                .map(|count| count.load(Ordering::Relaxed)),
            late: worker.late(),
            errors: worker.errors(),
            stores: worker.stores(),
            buffer_bytes: worker.buffer_bytes.load(Ordering::Relaxed),
            moved_at: moved_at.load(Ordering::Relaxed),
            tasks: worker.tasks(),
        }
    }

    /// How many tasks are restored, run, and are standbys.
    fn tasks_by_state(&self) -> [(&'static str, usize); 3] {
        let count = |is: fn(&TaskState) -> bool| self.tasks.iter().filter(|task| is(&task.state)).count();
        [
            ("restoring", count(|state| matches!(state, TaskState::Restoring { .. }))),
            ("running", count(|state| *state == TaskState::Running)),
            ("standby", count(|state| matches!(state, TaskState::Standby { .. }))),
        ]
    }

    /// About how many records standbys miss.
    fn standby_lag(&self) -> u64 {
        let lag = |task: &TaskStatus| match task.state {
            TaskState::Standby { lag } => lag,
            _ => 0,
        };
        self.tasks.iter().map(lag).sum()
    }

    fn restore(&self) -> Restore {
        Restore::of(self.tasks.iter())
    }
}

fn of_workers(samples: &[Sample]) -> Vec<MetricFamily> {
    if samples.is_empty() {
        return Vec::new();
    }
    let workers =
        || samples.iter().enumerate().map(|(index, sample)| (vec![pair("worker", index.to_string())], sample));
    let mut families: Vec<MetricFamily> = COUNTERS
        .iter()
        .enumerate()
        .map(|(counter, (name, help))| {
            let metrics = workers().map(|(labels, sample)| count(sample.counts[counter], labels));
            family(name, help, MetricType::COUNTER, metrics.collect())
        })
        .collect();
    let late: Vec<_> = workers()
        .flat_map(|(labels, sample)| {
            sample.late.iter().map(move |(node, late)| {
                let labels = labels.iter().cloned().chain([pair("node", node.to_string())]).collect();
                count(*late, labels)
            })
        })
        .collect();
    // A family without any metric cannot be written.
    if !late.is_empty() {
        let help = "Records that came too late for the windows of a node.";
        families.push(family("millstream_records_late_total", help, MetricType::COUNTER, late));
    }
    let errors: Vec<_> = workers()
        .flat_map(|(labels, sample)| {
            sample.errors.iter().map(move |(ErrorLabels { node, kind, action }, errors)| {
                let own = [("node", node.to_string()), ("kind", kind.to_string()), ("action", action.to_string())];
                let own = own.map(|(name, value)| pair(name, value));
                count(*errors, labels.iter().cloned().chain(own).collect())
            })
        })
        .collect();
    if !errors.is_empty() {
        let help = "Records that failed, by node, kind and what was done about them.";
        families.push(family("millstream_record_errors_total", help, MetricType::COUNTER, errors));
    }
    for (name, help, number) in STORE_GAUGES {
        let stores: Vec<_> = workers()
            .flat_map(|(labels, sample)| {
                sample.stores.iter().map(move |(store, size)| {
                    let labels = labels.iter().cloned().chain([pair("store", store.to_string())]).collect();
                    gauge(number(size) as f64, labels)
                })
            })
            .collect();
        if !stores.is_empty() {
            families.push(family(name, help, MetricType::GAUGE, stores));
        }
    }
    let buffers = workers().map(|(labels, sample)| gauge(sample.buffer_bytes as f64, labels));
    let help = "About how many bytes wait outside of stores: records read ahead, in calls, in parts of aggregates.";
    families.push(family("millstream_buffer_bytes", help, MetricType::GAUGE, buffers.collect()));
    let tasks = workers().flat_map(|(labels, sample)| {
        sample.tasks_by_state().map(|(state, count)| {
            let labels = labels.iter().cloned().chain([pair("state", state.to_owned())]).collect();
            gauge(count as f64, labels)
        })
    });
    families.push(family("millstream_tasks", "Tasks by what they do.", MetricType::GAUGE, tasks.collect()));
    let remaining = workers().map(|(labels, sample)| gauge(sample.restore().remaining() as f64, labels));
    families.push(family(
        "millstream_restore_remaining_records",
        "About how many records of changelogs are still to be read before all tasks run.",
        MetricType::GAUGE,
        remaining.collect(),
    ));
    let rates = workers().map(|(labels, sample)| gauge(sample.restore().records_per_second as f64, labels));
    families.push(family(
        "millstream_restore_records_per_second",
        "Records a second that were read from changelogs of late.",
        MetricType::GAUGE,
        rates.collect(),
    ));
    let left = workers().map(|(labels, sample)| gauge(seconds_left(&sample.restore()), labels));
    families.push(family(
        "millstream_restore_seconds_left",
        "About how long it takes until all tasks run, in seconds; +Inf while that is not known.",
        MetricType::GAUGE,
        left.collect(),
    ));
    let lag = workers().map(|(labels, sample)| gauge(sample.standby_lag() as f64, labels));
    families.push(family(
        "millstream_standby_lag_records",
        "About how many records of changelogs standbys miss.",
        MetricType::GAUGE,
        lag.collect(),
    ));
    let moved = workers().map(|(labels, sample)| gauge(sample.moved_at as f64 / 1000.0, labels));
    families.push(family(
        "millstream_worker_moved_timestamp_seconds",
        "When the worker last moved, in seconds since 1970.",
        MetricType::GAUGE,
        moved.collect(),
    ));
    families
}

fn seconds_left(restore: &Restore) -> f64 {
    if restore.tasks == 0 { 0.0 } else { restore.seconds_left().map_or(f64::INFINITY, |seconds| seconds as f64) }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn count(value: u64, labels: Vec<LabelPair>) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(value: f64, labels: Vec<LabelPair>) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

fn pair(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

#[cfg(test)]
mod tests {
    use millstream::processor::RecordErrorKind;
    use millstream::task::TaskId;
    use millstream::worker::ErrorAction;

    use super::*;

    #[test]
    fn shows_every_worker_once_they_are_there() {
        let health = Arc::new(Health::new(Arc::default(), 30_000));
        let metrics = Metrics::new(health.clone(), "orders", "pod-0").unwrap();
        let info = format!(
            "# HELP millstream_info What runs; always 1.\n# TYPE millstream_info gauge\n\
             millstream_info{{version=\"{}\",application_id=\"orders\",instance_id=\"pod-0\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        let before = metrics.text().unwrap();
        assert!(before.starts_with(&info) && before.contains("\nprocess_resident_memory_bytes "), "{before}");
        assert!(!before.contains("worker"), "{before}");

        health.set_workers(vec![Arc::default(), Arc::default()]);
        let worker = &health.workers()[1];
        worker.consumed.store(1_234_567, Ordering::Relaxed);
        worker.aborts.store(2, Ordering::Relaxed);
        worker.buffer_bytes.store(77, Ordering::Relaxed);
        worker.add_late(&"windowed-by-3".into(), 4);
        let labels =
            ErrorLabels { node: "map-1".into(), kind: RecordErrorKind::Process, action: ErrorAction::DeadLetter };
        worker.add_errors(labels, 3);
        worker.moved_at.store(1_700_000_000_500, Ordering::Relaxed);
        let text = metrics.text().unwrap();
        assert!(text.contains(&info), "{text}");
        for line in [
            "# TYPE millstream_records_consumed_total counter",
            "millstream_records_consumed_total{worker=\"0\"} 0",
            "millstream_records_consumed_total{worker=\"1\"} 1234567",
            "millstream_records_produced_total{worker=\"1\"} 0",
            "millstream_records_late_total{worker=\"1\",node=\"windowed-by-3\"} 4",
            "millstream_record_errors_total{worker=\"1\",node=\"map-1\",kind=\"process\",action=\"dead_letter\"} 3",
            "millstream_records_restored_total{worker=\"1\"} 0",
            "millstream_commits_total{worker=\"1\"} 0",
            "millstream_aborts_total{worker=\"1\"} 2",
            "# TYPE millstream_tasks gauge",
            "millstream_tasks{worker=\"1\",state=\"restoring\"} 0",
            "millstream_tasks{worker=\"1\",state=\"running\"} 0",
            "millstream_tasks{worker=\"1\",state=\"standby\"} 0",
            "millstream_buffer_bytes{worker=\"1\"} 77",
            "millstream_restore_remaining_records{worker=\"1\"} 0",
            "millstream_restore_records_per_second{worker=\"1\"} 0",
            "millstream_restore_seconds_left{worker=\"1\"} 0",
            "millstream_standby_lag_records{worker=\"1\"} 0",
            "millstream_worker_moved_timestamp_seconds{worker=\"1\"} 1700000000.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn counts_tasks_by_state_and_what_is_left_to_restore() {
        let task = |partition, state| TaskStatus { id: TaskId { sub_topology: 0, partition }, state };
        let restoring =
            |restored, total| TaskState::Restoring { restored, total, records_per_second: 0, seconds_left: None };
        let sample = Sample {
            counts: [0; COUNTERS.len()],
            late: BTreeMap::new(),
            errors: BTreeMap::new(),
            stores: BTreeMap::new(),
            buffer_bytes: 0,
            moved_at: 0,
            tasks: vec![
                task(0, TaskState::Running),
                task(1, restoring(30, 100)),
                // A changelog has more records than there were when the restore began.
                task(2, restoring(7, 5)),
                task(3, TaskState::Standby { lag: 12 }),
            ],
        };
        assert_eq!(sample.tasks_by_state(), [("restoring", 2), ("running", 1), ("standby", 1)]);
        assert_eq!((sample.restore().remaining(), sample.standby_lag()), (70, 12));
    }
}
