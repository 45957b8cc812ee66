use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use millstream::record::Timestamp;

use super::reference::Reference;
use crate::bounded::BoundedRuns;
use crate::generator::{Generator, Settings};
use crate::load::{create_topics, load};
use crate::model::Event;
use crate::nexmark::Nexmark;
use crate::queries::{QUERIES, Query};

/// How the events come, and who reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In order, on one partition.
    InOrder,
    /// Out of order, on one partition.
    OutOfOrder,
    /// Out of order, on four partitions, which two workers share.
    Spread,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::InOrder, Mode::OutOfOrder, Mode::Spread];

    fn partitions(self) -> i32 {
        if self == Mode::Spread { 4 } else { 1 }
    }

    fn workers(self) -> usize {
        if self == Mode::Spread { 2 } else { 1 }
    }

    /// Groups that are shuffled take 3 s.
    fn settings(self, rate: u64) -> Settings {
        let out_of_order_group = if self == Mode::InOrder { 1 } else { (3 * rate).max(2) };
        // A multiple of 953 would put all events of a group on one place.
        let out_of_order_group = out_of_order_group + u64::from(out_of_order_group.is_multiple_of(953));
        Settings { rate, out_of_order_group, ..Settings::default() }
    }
}

/// What came of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The query's name.
    pub query: &'static str,
    /// What it asks.
    pub title: &'static str,
    /// How many records it wrote.
    pub records: usize,
    /// How many rows these mean.
    pub rows: usize,
    /// Rows that DuckDB has and the query has not, or not as often.
    pub missing: Vec<String>,
    /// Rows that the query has and DuckDB has not, or not as often.
    pub wrong: Vec<String>,
}

impl Compared {
    /// Whether both say the same.
    pub fn agrees(&self) -> bool {
        self.missing.is_empty() && self.wrong.is_empty()
    }
}

/// Whether DuckDB can be had: fetches it if it is not there.
///
/// # Errors
/// Python or its package index are missing.
pub fn is_available() -> Result<()> {
    Reference::install().map(|_| ())
}

/// Events, and what DuckDB says about them.
pub struct Comparison {
    mode: Mode,
    events: Vec<Event>,
    nexmark: Nexmark,
    clock: Arc<AtomicI64>,
    expected: HashMap<String, Vec<String>>,
}

/// In how many parts q12 is read.
const PARTS: usize = 4;

/// When, in ms, a part is read. Windows are of 10 s, and one stays empty.
fn processing_time(part: usize) -> Timestamp {
    [0, 10_000, 25_000, 47_000][part] + 1_000_000
}

impl Comparison {
    /// Makes so many events, `rate` of them a second, and asks DuckDB.
    ///
    /// # Errors
    /// No DuckDB; no room for the events.
    pub fn new(mode: Mode, events: u64, rate: u64) -> Result<Comparison> {
        let settings = mode.settings(rate);
        let generator = Generator::new(settings.clone());
        let clock = Arc::new(AtomicI64::new(0));
        let says = clock.clone();
        let nexmark = Nexmark::new(&settings, Arc::new(move || says.load(Ordering::Relaxed)));
        let events: Vec<Event> = (0..events).map(|place| generator.event(place)).collect();
        let times = parts(events.len()).flat_map(|(part, range)| range.map(move |_| processing_time(part)));
        let queries: Vec<&Query> = QUERIES.iter().collect();
        let expected = Reference::install()?.rows(&queries, events.iter().cloned().zip(times))?;
        Ok(Comparison { mode, events, nexmark, clock, expected })
    }

    /// The same, with queries that are told that events are out of order by no more than `disorder`.
    pub fn with_disorder(mut self, disorder: Duration) -> Comparison {
        self.nexmark.disorder = disorder;
        self
    }

    /// Runs a query, and compares.
    ///
    /// # Errors
    /// A query that fails.
    pub fn compare(&self, query: &Query) -> Result<Compared> {
        let (records, rows) = self.run(query).with_context(|| format!("running {} {:?}", query.name, self.mode))?;
        let none = Vec::new();
        let expected = self.expected.get(query.name).unwrap_or(&none);
        let count = rows.len();
        let (missing, wrong) = differences(expected, rows);
        Ok(Compared { query: query.name, title: query.title, records, rows: count, missing, wrong })
    }

    /// How many records a query writes, and the rows that they mean.
    fn run(&self, query: &Query) -> Result<(usize, Vec<String>)> {
        let mut runs = BoundedRuns::default();
        let broker = runs.broker("load");
        let nexmark = &self.nexmark;
        create_topics(&*broker, &nexmark.input_names(), self.mode.partitions())?;
        create_topics(&*broker, &[query.output(nexmark)], self.mode.partitions())?;
        let in_parts = query.name == "q12";
        for (part, range) in parts(self.events.len()) {
            self.clock.store(processing_time(part), Ordering::Relaxed);
            load(&*broker, nexmark, self.events[range].iter().cloned())?;
            if in_parts || part == PARTS - 1 {
                let (define, nexmark) = (query.define, nexmark.clone());
                runs.run(
                    &format!("nexmark-{}", query.name),
                    self.mode.workers(),
                    Arc::new(move |b| define(b, &nexmark)),
                )?;
            }
        }
        query.rows(&*broker, nexmark)
    }
}

/// The parts of so many events.
fn parts(events: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let size = events.div_ceil(PARTS);
    (0..PARTS).map(move |part| (part, (part * size).min(events)..((part + 1) * size).min(events)))
}

/// What is only in `expected`, and what is only in `found`, as multisets.
fn differences(expected: &[String], found: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for row in expected {
        *left.entry(row).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for row in found {
        match left.get_mut(&*row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => wrong.push(row),
        }
    }
    let missing = left.into_iter().flat_map(|(row, count)| std::iter::repeat_n(row.to_owned(), count));
    (missing.collect(), wrong)
}

#[cfg(test)]
mod tests {
    use super::{differences, parts};

    #[test]
    fn rows_are_compared_as_often_as_they_are() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        assert_eq!(differences(&rows(&["a", "b", "a"]), rows(&["a", "a", "b"])), (rows(&[]), rows(&[])));
        assert_eq!(
            differences(&rows(&["a", "b", "a"]), rows(&["a", "c", "b", "b"])),
            (rows(&["a"]), rows(&["c", "b"]))
        );
    }

    #[test]
    fn parts_are_all_of_it() {
        for events in [0, 1, 2, 10] {
            assert_eq!(parts(events).flat_map(|(_, range)| range).collect::<Vec<_>>(), (0..events).collect::<Vec<_>>());
        }
    }
}
