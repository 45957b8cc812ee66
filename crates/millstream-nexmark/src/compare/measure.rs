use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millstream::broker::{Broker, TopicPartition};
use millstream::client::patient;
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_local_kafka::LocalKafka;

use super::contestants::{Done, IN_JAVA, Job, kafka_streams, machine_clock, millstream};
use super::table::{Line, Side};
use crate::generator::{Generator, Settings};
use crate::load::{create_topics, load};
use crate::nexmark::Nexmark;
use crate::queries::Query;

const PARTITIONS: i32 = 4;
/// A busy broker does not know a new topic's partitions at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// Loads so many events into a Kafka that it starts, lets both contestants run each query, and prints a line for each. Says
/// whether their results are as they should be.
pub(crate) fn compare(queries: &[&Query], events: u64, rate: u64) -> Result<bool> {
    let kafka = LocalKafka::start().context("starting a Kafka")?;
    let servers = kafka.bootstrap_servers();
    let broker = KafkaBroker::new(KafkaSettings::new(servers, "nexmark"))?;
    broker.wait_until_up(Duration::from_secs(30), &mut |_| {})?;
    let settings = Settings { rate, ..Settings::default() };
    let nexmark = Nexmark::new(&settings, machine_clock());
    create_topics(&broker, &nexmark.input_names(), PARTITIONS)?;
    writeln!(io::stderr(), "loading {events} events into three topics of {PARTITIONS} partitions")?;
    let generator = Generator::new(settings);
    load(&broker, &nexmark, (0..events).map(|place| generator.event(place)))?;
    let mut out = io::stdout();
    writeln!(out, "{events} events, {rate} a second of event time\n\n{}", Line::head())?;
    let mut all_right = true;
    for query in queries {
        let line = one(&broker, servers, query, &nexmark, events, rate)?;
        all_right &= line.is_right();
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(all_right)
}

fn one(broker: &KafkaBroker, servers: &str, query: &Query, nexmark: &Nexmark, events: u64, rate: u64) -> Result<Line> {
    let job = Job { query: query.name, bootstrap_servers: servers, events_per_s: rate };
    let (millstream, rows) = side(broker, query, nexmark, "millstream", millstream(&job)?)?;
    let kafka_streams = if IN_JAVA.contains(&query.name) {
        let (side, theirs) = side(broker, query, nexmark, "kafka-streams", kafka_streams(&job, nexmark)?)?;
        Some((side, only_in(&rows, &theirs), only_in(&theirs, &rows)))
    } else {
        None
    };
    Ok(Line { query: query.name, title: query.title, events, millstream, kafka_streams })
}

/// Runs a contestant twice, and gives what the runs cost, and the rows that the second one wrote.
fn side(
    broker: &KafkaBroker,
    query: &Query,
    nexmark: &Nexmark,
    name: &str,
    command: Command,
) -> Result<(Side, Vec<String>)> {
    let measured = || -> Result<(Side, Vec<String>)> {
        let mut contestant = Contestant::start(command)?;
        let mut turn = |turn: &str| -> Result<(Done, usize, Vec<String>)> {
            let id = format!("{}-{name}-{turn}", query.name);
            let nexmark = Nexmark { outputs: id.clone(), ..nexmark.clone() };
            let output = query.output(&nexmark);
            create_topics(broker, std::slice::from_ref(&output), PARTITIONS)?;
            let done = contestant.run(&id)?;
            let (outputs, rows) = query.rows(broker, &nexmark)?;
            delete_records(broker, &output)?;
            Ok((done, outputs, rows))
        };
        let (first, ..) = turn("first")?;
        let (second, outputs, rows) = turn("second")?;
        contestant.end()?;
        Ok((Side { cpu_s: second.cpu_s, first_cpu_s: first.cpu_s, outputs }, rows))
    };
    measured().with_context(|| format!("{} on {name}", query.name))
}

/// So that the disk does not fill up.
fn delete_records(broker: &KafkaBroker, topic: &str) -> Result<()> {
    let partitions: Vec<_> = (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition)).collect();
    let ends = patient(PATIENCE, || broker.end_offsets(&partitions))?;
    let before: Vec<_> = partitions.into_iter().zip(ends).collect();
    Ok(patient(PATIENCE, || broker.delete_records(&before))?)
}

/// How many rows, as multisets, are in `these` and not in `those`.
fn only_in(these: &[String], those: &[String]) -> usize {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for row in those {
        *left.entry(row).or_default() += 1;
    }
    let is_only = |row: &&String| match left.get_mut(row.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(is_only).count()
}

/// A contestant's process. Dropped, it is killed.
struct Contestant {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Contestant {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting it")?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("it has no standard output")?);
        let (say, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody hears it when the time is over.
                let _ = say.send(line);
            }
        });
        Ok(Contestant { child, input, lines })
    }

    fn run(&mut self, id: &str) -> Result<Done> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{id}").context("telling it to run")?;
        let line =
            self.lines.recv_timeout(LIMIT).with_context(|| format!("waiting {LIMIT:?} for the end of its run"))?;
        serde_json::from_str(&line).with_context(|| format!("it wrote {line:?}; expected seconds and cpu_s"))
    }

    fn end(&mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.child.wait().context("waiting for its end")?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill, or to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Contestant, only_in};

    #[test]
    fn rows_count_as_often_as_they_are() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        assert_eq!(only_in(&rows(&["a", "a", "b"]), &rows(&["a", "b", "c"])), 1);
        assert_eq!(only_in(&rows(&["a"]), &rows(&["a", "a"])), 0);
    }

    #[test]
    fn a_contestant_answers_each_line_and_ends_with_its_input() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Contestant::start(command).unwrap()
        };
        let mut contestant = shell(r#"while read id; do echo '{"seconds": 1.5, "cpu_s": 0.5}'; done"#);
        assert_eq!(contestant.run("one").unwrap().seconds, 1.5);
        assert_eq!(contestant.run("two").unwrap().cpu_s, 0.5);
        contestant.end().unwrap();
        assert!(format!("{:#}", shell("read id; echo done").run("one").unwrap_err()).contains("expected seconds"));
        let mut failing = shell("exit 3");
        assert!(format!("{:#}", failing.end().unwrap_err()).contains("exit status: 3"));
    }
}
