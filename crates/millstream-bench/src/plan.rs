//! What a command measures, and who takes part.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::compare::Entrant;
use crate::contestant::{Contestant, KafkaStreams};
use crate::parameters::{Commits, Guarantee, Sizes};
use crate::workloads::{self, Workload};

/// How often both commit when exactly-once is compared with at-least-once, in ms.
pub(crate) const EXACTLY_ONCE_INTERVAL_MS: u64 = 100;

/// The workloads that are run with both guarantees.
const WITH_BOTH: [&str; 2] = ["pass-through", "count"];

/// Those that can run until they are told to end, and with both guarantees.
const OPEN: &[Contestant] = &[Contestant::Millstream, Contestant::KafkaStreams(KafkaStreams::Memory)];

/// What is beside the workloads.
const MEASURES: [&str; 6] = ["exactly-once", "partitions", "value-sizes", "latency", "memory", "idle"];

/// The workload that is run with other numbers of partitions, and with values of other sizes.
const SIZED: &str = "pass-through";

const PARTITIONS: [i32; 5] = [1, 4, 16, 64, 256];

/// In bytes.
const VALUE_SIZES: [usize; 4] = [64, 256, 1_024, 10_240];

/// One measurement.
#[derive(Clone)]
pub(crate) enum Step {
    Workload(&'static Workload, Vec<Contestant>),
    ExactlyOnce(&'static Workload, Vec<Contestant>),
    Sized(&'static Workload, Vec<Contestant>, Size),
    Latency(Vec<Contestant>),
    Memory,
    Idle(Vec<Contestant>),
}

/// What is other than the command says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Size {
    Partitions(i32),
    /// In bytes.
    Value(usize),
}

/// How much an input has at most, in bytes of values.
const INPUT_MAX: u64 = 400_000_000;

impl Size {
    /// The command's sizes but for this; no more records than such values leave room for.
    pub(crate) fn of(self, sizes: Sizes) -> Sizes {
        match self {
            Size::Partitions(partitions) => Sizes { partitions, ..sizes },
            Size::Value(bytes) => {
                let records = sizes.records.min(INPUT_MAX / bytes as u64);
                Sizes { records, value_size: Some(bytes), ..sizes }
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Partitions(1) => write!(f, "1 partition"),
            Size::Partitions(partitions) => write!(f, "{partitions} partitions"),
            Size::Value(bytes) => write!(f, "{bytes} bytes"),
        }
    }
}

impl Step {
    pub(crate) fn needs_kafka(&self) -> bool {
        !matches!(self, Step::Memory)
    }

    fn contestants(&self) -> &[Contestant] {
        match self {
            Step::Workload(_, contestants)
            | Step::ExactlyOnce(_, contestants)
            | Step::Sized(_, contestants, _)
            | Step::Latency(contestants)
            | Step::Idle(contestants) => contestants,
            Step::Memory => &[],
        }
    }
}

/// All that a command measures.
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Whether it is everything.
    pub(crate) is_all: bool,
}

impl Plan {
    /// What `name` stands for, with the contestants named, or all.
    pub(crate) fn new(name: &str, contestants: &[String]) -> Result<Self> {
        let is_all = name == "all";
        let steps = match (Workload::find(name), is_all) {
            (Some(workload), _) => vec![Step::Workload(workload, chosen(name, workload.contestants, contestants)?)],
            (None, true) => {
                let workloads = workloads::ALL.iter().map(|workload| workload.name);
                let mut steps = Vec::new();
                for name in workloads.chain(MEASURES) {
                    // Of a list for all, each has those that can run it.
                    let able: Vec<String> = contestants.iter().filter(|one| is_known(name, one)).cloned().collect();
                    if contestants.is_empty() || !able.is_empty() || name == "memory" {
                        steps.extend(Plan::new(name, &able)?.steps);
                    }
                }
                let known = steps.iter().flat_map(Step::contestants).map(|contestant| contestant.name());
                let known: Vec<&str> = known.collect();
                if let Some(unknown) = contestants.iter().find(|name| !known.contains(&name.as_str())) {
                    bail!("{unknown} is not a contestant");
                }
                steps
            }
            (None, false) => match name {
                "exactly-once" => {
                    let both = chosen(name, OPEN, contestants)?;
                    let workloads = WITH_BOTH.iter().filter_map(|name| Workload::find(name));
                    workloads.map(|workload| Step::ExactlyOnce(workload, both.clone())).collect()
                }
                "partitions" => sized(name, contestants, PARTITIONS.map(Size::Partitions))?,
                "value-sizes" => sized(name, contestants, VALUE_SIZES.map(Size::Value))?,
                "latency" => vec![Step::Latency(chosen(name, OPEN, contestants)?)],
                "idle" => vec![Step::Idle(chosen(name, OPEN, contestants)?)],
                "memory" => vec![Step::Memory],
                _ => {
                    let workloads = workloads::ALL.iter().map(|workload| workload.name).chain(MEASURES);
                    let known: Vec<&str> = workloads.collect();
                    bail!("{name} is not a workload; expected one of {}, or all", known.join(", "));
                }
            },
        };
        Ok(Plan { steps, is_all })
    }

    pub(crate) fn needs_kafka(&self) -> bool {
        self.steps.iter().any(Step::needs_kafka)
    }

    pub(crate) fn has_kafka_streams(&self) -> bool {
        let mut all = self.steps.iter().flat_map(Step::contestants);
        all.any(|contestant| matches!(contestant, Contestant::KafkaStreams(_)))
    }
}

/// Whether a contestant takes part in what has this name.
fn is_known(name: &str, contestant: &str) -> bool {
    let sized = ["partitions", "value-sizes"].contains(&name).then_some(SIZED);
    let all = Workload::find(sized.unwrap_or(name)).map_or(OPEN, |workload| workload.contestants);
    all.iter().any(|known| known.name() == contestant)
}

fn sized<const N: usize>(name: &str, contestants: &[String], sizes: [Size; N]) -> Result<Vec<Step>> {
    let workload = Workload::find(SIZED).with_context(|| format!("there is no {SIZED}"))?;
    let contestants = chosen(name, workload.contestants, contestants)?;
    Ok(sizes.map(|size| Step::Sized(workload, contestants.clone(), size)).into())
}

/// Those of `all` with these names, in the names' order; without any name all.
fn chosen(workload: &str, all: &[Contestant], names: &[String]) -> Result<Vec<Contestant>> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let found = names.iter().map(|name| {
        all.iter().copied().find(|contestant| contestant.name() == name).with_context(|| {
            let known: Vec<&str> = all.iter().map(|contestant| contestant.name()).collect();
            format!("{name} is not a contestant of {workload}; expected some of {}", known.join(","))
        })
    });
    found.collect()
}

/// Each contestant once.
pub(crate) fn entrants(contestants: &[Contestant], commits: Commits) -> Vec<Entrant> {
    let all = contestants.iter();
    all.map(|contestant| Entrant { name: contestant.name().to_owned(), contestant: *contestant, commits }).collect()
}

/// Each contestant with each guarantee.
pub(crate) fn twice(contestants: &[Contestant], commits: impl Fn(Guarantee) -> Commits) -> Vec<Entrant> {
    let both = [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
    let all = contestants.iter().flat_map(|contestant| both.map(|guarantee| (*contestant, guarantee)));
    let entrant = |(contestant, guarantee): (Contestant, Guarantee)| Entrant {
        name: format!("{} {}", contestant.name(), guarantee.name()),
        contestant,
        commits: commits(guarantee),
    };
    all.map(entrant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<String> {
        let name = |step: &Step| {
            let contestants: Vec<&str> = step.contestants().iter().map(|contestant| contestant.name()).collect();
            let what = match step {
                Step::Workload(workload, _) => workload.name.to_owned(),
                Step::ExactlyOnce(workload, _) => format!("exactly-once {}", workload.name),
                Step::Sized(workload, _, size) => format!("{} {size:?}", workload.name),
                Step::Latency(_) => "latency".to_owned(),
                Step::Memory => "memory".to_owned(),
                Step::Idle(_) => "idle".to_owned(),
            };
            format!("{what}: {}", contestants.join(","))
        };
        plan.steps.iter().map(name).collect()
    }

    fn planned(name: &str, contestants: &str) -> Result<Vec<String>> {
        let contestants: Vec<String> =
            contestants.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Plan::new(name, &contestants).map(|plan| names(&plan))
    }

    #[test]
    fn workloads_and_contestants_are_chosen_by_name() {
        assert_eq!(planned("pass-through", "").unwrap(), ["pass-through: librdkafka,millstream,kafka-streams"]);
        assert_eq!(planned("count", "millstream").unwrap(), ["count: millstream"]);
        assert_eq!(planned("count", "millstream,librdkafka").unwrap(), ["count: millstream,librdkafka"]);
        assert_eq!(planned("memory", "").unwrap(), ["memory: "]);
        let both = ["exactly-once pass-through: millstream", "exactly-once count: millstream"];
        assert_eq!(planned("exactly-once", "millstream").unwrap(), both);
    }

    #[test]
    fn all_is_every_workload_and_every_measure() {
        let all = planned("all", "").unwrap();
        // Three of the measures are several steps.
        let more = WITH_BOTH.len() + PARTITIONS.len() + VALUE_SIZES.len() - 3;
        assert_eq!(all.len(), workloads::ALL.len() + MEASURES.len() + more);
        let few = planned("all", "librdkafka,millstream").unwrap();
        assert!(few.contains(&"tumbling: millstream".to_owned()) && few.contains(&"idle: millstream".to_owned()));
        assert!(few.contains(&"restore: librdkafka,millstream".to_owned()), "{few:?}");
        let with_c = planned("all", "librdkafka").unwrap();
        assert_eq!(with_c.len(), 6 + PARTITIONS.len() + VALUE_SIZES.len(), "{with_c:?}");
    }

    #[test]
    fn large_values_are_fewer() {
        let sizes = Sizes { records: 1_000_000, keys: 1, partitions: 4, value_size: None };
        assert_eq!(Size::Partitions(256).of(sizes), Sizes { partitions: 256, ..sizes });
        assert_eq!(Size::Value(64).of(sizes), Sizes { value_size: Some(64), ..sizes });
        assert_eq!(Size::Value(10_240).of(sizes), Sizes { value_size: Some(10_240), records: 39_062, ..sizes });
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_which_there_are() {
        assert!(planned("sort", "").unwrap_err().to_string().contains("pass-through, filter, count,"));
        let error = planned("tumbling", "librdkafka").unwrap_err().to_string();
        assert!(error.contains("millstream,kafka-streams,kafka-streams-rocksdb"), "{error}");
        assert!(planned("all", "flink").unwrap_err().to_string().contains("flink is not a contestant"));
    }

    #[test]
    fn twice_is_each_contestant_with_each_guarantee() {
        let all = twice(OPEN, |guarantee| Commits { guarantee, interval_ms: 7 });
        let names: Vec<&str> = all.iter().map(|entrant| entrant.name.as_str()).collect();
        let expected = [
            "millstream at-least-once",
            "millstream exactly-once",
            "kafka-streams at-least-once",
            "kafka-streams exactly-once",
        ];
        assert_eq!(names, expected);
        assert!(all.iter().all(|entrant| entrant.name.ends_with(entrant.commits.guarantee.name())));
    }
}
