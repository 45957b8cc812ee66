//! One run of a contestant, as its arguments say it.

use anyhow::{Context, Result, bail};

use crate::parameters::{Commits, Guarantee};
use crate::workloads::{STORE, Workload};

/// What to run, and on which topics.
#[derive(Clone)]
pub(crate) struct Job {
    /// Whether it ends at its inputs' end, or when its standard input does.
    pub(crate) bounded: bool,
    pub(crate) workload: &'static Workload,
    pub(crate) bootstrap_servers: String,
    /// The consumer group, and the application id.
    pub(crate) group: String,
    pub(crate) commits: Commits,
    pub(crate) topics: Topics,
}

/// The topics of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Topics {
    /// Named as Millstream, and Kafka Streams, name the changelog of the store [`STORE`].
    pub(crate) changelog: String,
    pub(crate) output: String,
    pub(crate) inputs: Vec<String>,
}

impl Topics {
    /// The topics of a run whose consumer group is `group`.
    pub(crate) fn of(group: &str, inputs: Vec<String>) -> Self {
        Topics { changelog: format!("{group}-{STORE}-changelog"), output: format!("{group}-out"), inputs }
    }
}

const EXPECTED: &str = "bounded|endless WORKLOAD BOOTSTRAP_SERVERS GROUP at-least-once|exactly-once \
                        COMMIT_INTERVAL_MS CHANGELOG OUTPUT INPUT...";

impl Job {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mode = if self.bounded { "bounded" } else { "endless" };
        let interval = self.commits.interval_ms.to_string();
        let first = [mode, self.workload.name, &self.bootstrap_servers, &self.group, self.commits.guarantee.name()];
        let topics = [interval, self.topics.changelog.clone(), self.topics.output.clone()];
        first.map(str::to_owned).into_iter().chain(topics).chain(self.topics.inputs.iter().cloned()).collect()
    }

    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let [mode, workload, bootstrap_servers, group, guarantee, interval, changelog, output, inputs @ ..] = arguments
        else {
            bail!("found {} arguments; expected {EXPECTED}", arguments.len());
        };
        Ok(Job {
            bounded: match mode.as_str() {
                "bounded" => true,
                "endless" => false,
                _ => bail!("the mode is {mode}; expected {EXPECTED}"),
            },
            workload: Workload::find(workload).with_context(|| format!("{workload} is not a workload"))?,
            bootstrap_servers: bootstrap_servers.clone(),
            group: group.clone(),
            commits: Commits {
                guarantee: Guarantee::parse(guarantee)
                    .with_context(|| format!("the guarantee is {guarantee}; expected {EXPECTED}"))?,
                interval_ms: interval.parse().with_context(|| format!("the commit interval is {interval}; in ms"))?,
            },
            topics: Topics { changelog: changelog.clone(), output: output.clone(), inputs: inputs.to_vec() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_what_its_arguments_say() {
        let commits = Commits { guarantee: Guarantee::ExactlyOnce, interval_ms: 100 };
        let topics = Topics::of("g", vec!["a".to_owned(), "b".to_owned()]);
        let workload = Workload::find("count").unwrap();
        let job = Job {
            bounded: true,
            workload,
            bootstrap_servers: "h:1".to_owned(),
            group: "g".to_owned(),
            commits,
            topics: topics.clone(),
        };
        assert_eq!(
            job.arguments(),
            ["bounded", "count", "h:1", "g", "exactly-once", "100", "g-counts-changelog", "g-out", "a", "b"]
        );
        let parsed = Job::parse(&job.arguments()).unwrap();
        assert_eq!((parsed.bounded, parsed.workload.name, parsed.commits), (true, "count", commits));
        assert_eq!(parsed.topics, topics);
    }

    #[test]
    fn wrong_arguments_are_errors_that_say_what_is_expected() {
        let parse = |text: &str| {
            let arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
            format!("{:#}", Job::parse(&arguments).map(|_| ()).unwrap_err())
        };
        assert!(parse("bounded count").contains("expected bounded|endless WORKLOAD"));
        assert!(parse("once count h g at-least-once 1 c o i").contains("the mode is once"));
        assert!(parse("bounded sort h g at-least-once 1 c o i").contains("sort is not a workload"));
        assert!(parse("bounded count h g twice 1 c o i").contains("the guarantee is twice"));
        assert!(parse("bounded count h g exactly-once soon c o i").contains("soon"));
    }
}
