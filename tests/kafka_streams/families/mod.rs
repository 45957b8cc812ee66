//! Which topologies there are, in families that share sources, sinks and scripts.

mod aggregations;
mod stateless;
mod stream_joins;
mod table_joins;
mod tables;
mod windows;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::script::{Hex, Input, Script, Step};

/// Topologies with the same sources and sinks, and the scripts that all of them run.
pub(crate) struct Family {
    pub(crate) topologies: &'static [&'static str],
    pub(crate) sources: &'static [&'static str],
    pub(crate) sinks: &'static [&'static str],
    /// The scripts made by hand.
    pub(crate) scripts: &'static [Scripts],
    /// The values of generated scripts.
    pub(crate) values: &'static [&'static str],
    /// What else generated scripts may hold.
    pub(crate) nulls: Nulls,
    /// How late, in ms, records of generated scripts may be.
    pub(crate) late: i64,
    /// What must be the same after generated scripts; those made by hand are always compared step by step.
    pub(crate) compared: Compared,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Each record, in its order, with its step.
    Steps,
    /// Each record, whenever it came. Such scripts end with records that are far ahead, so that nothing is still waiting.
    Records,
}

/// Name and text of scripts made by hand.
pub(crate) type Scripts = &'static [(&'static str, &'static str)];

#[derive(Clone, Copy)]
pub(crate) struct Nulls {
    pub(crate) keys: bool,
    pub(crate) values: bool,
}

/// Their first characters are keys, they repeat, and predicates change their minds.
const VALUES: &[&str] = &["", "a", "ab", "abc", "b", "bc", "c", "ca", "-"];
const NOT_EMPTY: &[&str] = VALUES.split_at(1).1;

/// How many scripts are generated for each topology, and of how many records.
const SEEDS: u64 = 8;
const RECORDS: usize = 40;

/// So late that some records are too late for every window.
const LATE: i64 = 20;

pub(crate) fn families() -> impl Iterator<Item = &'static Family> {
    let all = [
        stateless::FAMILIES,
        aggregations::FAMILIES,
        windows::FAMILIES,
        tables::FAMILIES,
        table_joins::FAMILIES,
        stream_joins::FAMILIES,
    ];
    all.into_iter().flatten()
}

impl Family {
    /// All scripts of one of its topologies: by hand, then generated.
    pub(crate) fn scripts(&self, topology: &str) -> Vec<Script> {
        let by_hand = self
            .scripts
            .iter()
            .copied()
            .flatten()
            .map(|(name, text)| Script::parse(topology, name, self.sources[0], text));
        by_hand.chain((0..SEEDS).map(|seed| self.generate(topology, seed))).collect()
    }

    /// Few keys, much disorder within bounds, some leaps of time.
    fn generate(&self, topology: &str, seed: u64) -> Script {
        const KEYS: [&str; 3] = ["a", "b", "c"];
        let mut rng = StdRng::seed_from_u64(seed);
        let mut now = 0;
        let steps = (0..RECORDS).map(|_| {
            now += match rng.random_range(0..20) {
                0 => rng.random_range(10..50),
                1..8 => 0,
                _ => rng.random_range(1..5),
            };
            let late = if rng.random_bool(0.3) { rng.random_range(0..=self.late) } else { 0 };
            let topic = self.sources[rng.random_range(0..self.sources.len())].to_owned();
            let text = |texts: &[&str], rng: &mut StdRng| texts[rng.random_range(0..texts.len())].as_bytes().to_vec();
            let key = (!(self.nulls.keys && rng.random_bool(0.05))).then(|| Hex(text(&KEYS, &mut rng)));
            let value = (!(self.nulls.values && rng.random_bool(0.2))).then(|| Hex(text(self.values, &mut rng)));
            Step::Record(Input { topic, key, value, timestamp: (now - late).max(0), headers: Vec::new() })
        });
        let mut steps: Vec<_> = steps.collect();
        if self.compared == Compared::Records {
            let ahead =
                (1..=2).flat_map(|times| self.sources.iter().map(move |source| format!("{source} z=z@{times}000")));
            let ahead = ahead.collect::<Vec<_>>().join(",");
            steps.extend(Script::parse(topology, "ahead", self.sources[0], &ahead).steps);
        }
        let (name, compared) = (format!("{topology}/seed {seed}"), self.compared);
        Script { name, topology: topology.to_owned(), steps, compared }
    }
}
