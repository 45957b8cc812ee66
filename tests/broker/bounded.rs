//! Bounded runs: the same topology as a batch job over history, in parts, and live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Guarantee, Moment, Options};
use millstream_tests::cluster::Cluster;
use millstream_tests::running::{HANG, Running, until};

use crate::support::{clusters, options, unique};

const PARTITIONS: i32 = 3;
const LINES: [&str; 6] = ["to be or not to be", "be", "that is the question", "or is it", "to ask", "not to ask"];
/// How much time passes from line to line, in ms.
const STEP_MS: i64 = 1_000;

/// Map: lines to words; group: by word; reduce: count.
#[derive(Clone)]
struct Words(String);

impl Words {
    fn topic<K, V>(&self, name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
        Topic::new(format!("{}-{name}", self.0), key, value)
    }

    fn lines(&self) -> Topic<u64, String> {
        self.topic("lines", Be64, Utf8)
    }

    /// What a run writes; each run has its own.
    fn counts(&self, run: &str) -> Topic<String, i64> {
        self.topic(&format!("counts-{run}"), Utf8, Be64)
    }

    fn windowed(&self, run: &str) -> Topic<Windowed<String>, i64> {
        self.topic(&format!("windowed-{run}"), TimeWindowed::new(Utf8, WINDOW_MS), Be64)
    }

    fn prepare(&self, broker: &dyn Broker, runs: &[&str]) {
        let counts = runs.iter().map(|run| self.counts(run).name().to_owned());
        let topics: Vec<_> = [self.lines().name().to_owned()].into_iter().chain(counts).map(topic).collect();
        broker.create(&topics).unwrap();
    }

    /// Writes so many lines, the first of them with this number.
    fn write(&self, broker: &dyn Broker, first: u64, count: u64) {
        let mut writer = RecordWriter::new(broker).unwrap();
        for number in first..first + count {
            let line = LINES[number as usize % LINES.len()].to_owned();
            writer.send(&self.lines(), &Record::new(number, Some(line), number as i64 * STEP_MS)).unwrap();
        }
        writer.flush().unwrap();
    }

    /// Starts a run under an application id of its own, so that it begins anew.
    fn start(&self, cluster: &Cluster, run: &str, from: Option<Moment>, until: Option<Moment>) -> Running {
        let id = format!("{}-{run}", self.0);
        let (lines, counts) = (self.lines(), self.counts(run));
        let define = move |b: &TopologyBuilder| {
            b.stream(&lines)
                .flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
                .group_by(Topic::new("by-word", Utf8, Utf8), |_, word| word.clone())
                .count(Store::new("counts", Utf8, Be64))
                .to_stream()
                .to(&counts);
        };
        let options = Options { from, until, ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
        Running::start(options, Arc::new(define), cluster.client(&id).unwrap()).unwrap()
    }

    /// The last count of each word, and how many counts were written.
    fn results(&self, broker: &dyn Broker, run: &str) -> (BTreeMap<String, i64>, usize) {
        let all = read_all(broker, &self.counts(run), HANG).unwrap();
        let written = all.len();
        (all.into_iter().map(|placed| (placed.record.key, placed.record.value.unwrap())).collect(), written)
    }
}

fn topic(name: String) -> NewTopic {
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    NewTopic { name, partitions: PARTITIONS, replication_factor: None, cleanup_policy: CleanupPolicy::Delete, config }
}

/// The counts of the words of lines, computed plainly.
fn counted(lines: impl Iterator<Item = u64>) -> (BTreeMap<String, i64>, usize) {
    let (mut counts, mut written) = (BTreeMap::new(), 0);
    for number in lines {
        for word in LINES[number as usize % LINES.len()].split(' ') {
            *counts.entry(word.to_owned()).or_insert(0) += 1;
            written += 1;
        }
    }
    (counts, written)
}

#[test]
fn a_batch_over_history_equals_the_same_topology_run_live() {
    for cluster in clusters() {
        let words = Words(unique("bounded"));
        let broker = cluster.client("bounded").unwrap();
        words.prepare(&*broker, &["live", "batch", "parts"]);
        let live = words.start(&cluster, "live", None, None);
        words.write(&*broker, 0, 40);
        words.start(&cluster, "parts", None, Some(Moment::End)).end().unwrap();
        words.write(&*broker, 40, 60);
        let expected = counted(0..100);
        until("the live results", || Ok(words.results(&*broker, "live") == expected)).unwrap();
        live.stop().unwrap();
        words.start(&cluster, "batch", None, Some(Moment::End)).end().unwrap();
        assert_eq!(words.results(&*broker, "batch"), expected);
        // The second part goes on where the first one ended.
        words.start(&cluster, "parts", None, Some(Moment::End)).end().unwrap();
        assert_eq!(words.results(&*broker, "parts"), expected);
    }
}

#[test]
fn a_replay_takes_what_lies_between_two_moments() {
    for cluster in clusters() {
        let words = Words(unique("replay"));
        let broker = cluster.client("replay").unwrap();
        let runs = ["times", "offsets", "nothing"];
        words.prepare(&*broker, &runs);
        words.write(&*broker, 0, 100);
        let (from, to) = (Moment::Timestamp(20 * STEP_MS), Moment::Timestamp(50 * STEP_MS - 1));
        words.start(&cluster, "times", Some(from), Some(to)).end().unwrap();
        assert_eq!(words.results(&*broker, "times"), counted(20..50));

        words.start(&cluster, "offsets", Some(Moment::Offset(3)), Some(Moment::Offset(9))).end().unwrap();
        let lines = read_all(&*broker, &words.lines(), HANG).unwrap().into_iter();
        let between = lines.filter(|placed| (3..9).contains(&placed.offset)).map(|placed| placed.record.key);
        assert_eq!(words.results(&*broker, "offsets"), counted(between));

        words.start(&cluster, "nothing", Some(Moment::End), Some(Moment::End)).end().unwrap();
        assert_eq!(words.results(&*broker, "nothing"), counted(0..0));
    }
}

/// Counts words by window, behind a repartition topic, and pushes each when its window is over.
fn by_window(words: &Words, run: &str) -> impl Fn(&TopologyBuilder) + Send + Sync + 'static {
    let (lines, counts) = (words.lines(), words.windowed(run));
    move |b| {
        b.stream(&lines)
            .flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .group_by(Topic::new("by-word", Utf8, Utf8), |_, word| word.clone())
            .windowed_by(TimeWindows::tumbling(Duration::from_millis(WINDOW_MS as u64)))
            .emit(Emit::OnWindowClose)
            .count(Store::new("counts", Utf8, Be64))
            .to_stream()
            .to(&counts);
    }
}

const WINDOW_MS: i64 = 7 * STEP_MS;

/// The counts of words by the start of their window, computed plainly.
fn counted_by_window(lines: impl Iterator<Item = u64>) -> BTreeMap<(String, i64), i64> {
    let mut counts = BTreeMap::new();
    for number in lines {
        let start = number as i64 * STEP_MS / WINDOW_MS * WINDOW_MS;
        for word in LINES[number as usize % LINES.len()].split(' ') {
            *counts.entry((word.to_owned(), start)).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn a_run_that_ends_closes_its_windows_and_the_next_goes_on() {
    for cluster in clusters() {
        let words = Words(unique("windows"));
        let broker = cluster.client("windows").unwrap();
        words.prepare(&*broker, &[]);
        broker.create(&[topic(words.windowed("parts").name().to_owned())]).unwrap();
        let run = || {
            let id = format!("{}-parts", words.0);
            let options = Options { until: Some(Moment::End), ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
            let define = by_window(&words, "parts");
            Running::start(options, Arc::new(define), cluster.client(&id).unwrap()).unwrap().end().unwrap();
            let all =
                read_all(&*broker, &words.windowed("parts"), HANG).unwrap().into_iter().map(|placed| placed.record);
            all.map(|record| ((record.key.key, record.key.window.start), record.value.unwrap())).collect::<Vec<_>>()
        };
        // Both parts end where a window does.
        words.write(&*broker, 0, 35);
        let first = run();
        assert_eq!(first.iter().cloned().collect::<BTreeMap<_, _>>(), counted_by_window(0..35));
        assert_eq!(first.len(), counted_by_window(0..35).len(), "each once");
        assert_eq!(run(), first, "a run with nothing new pushes nothing");
        words.write(&*broker, 35, 35);
        let both = run();
        assert_eq!(both.iter().cloned().collect::<BTreeMap<_, _>>(), counted_by_window(0..70));
        assert_eq!(both.len(), counted_by_window(0..70).len(), "each once");
    }
}

/// A foreign-key join sends records round in a circle, in which nobody can wait for another's time.
#[test]
fn a_run_over_a_circle_of_sub_topologies_ends() {
    for cluster in clusters() {
        let words = Words(unique("circle"));
        let broker = cluster.client("circle").unwrap();
        let names: Topic<u64, String> = words.topic("names", Be64, Utf8);
        let joined: Topic<u64, String> = words.topic("joined", Be64, Utf8);
        broker.create(&[words.lines().name(), names.name(), joined.name()].map(|name| topic(name.to_owned()))).unwrap();
        words.write(&*broker, 0, 60);
        let mut writer = RecordWriter::new(&*broker).unwrap();
        for length in 0..30 {
            writer.send(&names, &Record::new(length, Some(format!("{length} letters")), 1)).unwrap();
        }
        writer.flush().unwrap();
        let (l, n, j) = (words.lines(), names.clone(), joined.clone());
        let define = move |b: &TopologyBuilder| {
            let lines = b.table(&l, Store::new("lines", Be64, Utf8));
            let names = b.table(&n, Store::new("names", Be64, Utf8));
            lines
                .join_foreign("length", &names, |line| Some(line.len() as u64), |line, name| format!("{line}: {name}"))
                .suppress(
                    Suppressed::until_time_limit(Duration::from_secs(3_600), Bound::unbounded()),
                    Store::new("held", Be64, Utf8),
                )
                .to_stream()
                .to(&j);
        };
        let id = format!("{}-run", words.0);
        let options = Options { until: Some(Moment::End), ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
        Running::start(options, Arc::new(define), cluster.client(&id).unwrap()).unwrap().end().unwrap();
        let last: BTreeMap<u64, String> = read_all(&*broker, &joined, HANG)
            .unwrap()
            .into_iter()
            .map(|placed| (placed.record.key, placed.record.value.unwrap()))
            .collect();
        let expected = (0..60).map(|number| {
            let line = LINES[number as usize % LINES.len()];
            (number, format!("{line}: {} letters", line.len()))
        });
        assert_eq!(last, expected.collect());
    }
}
