//! Records that fail: in every place, with every policy and guarantee.

mod panics;
mod places;
mod policies;
mod tables;
mod time;
mod transient;

use std::collections::BTreeMap;

use millstream::prelude::*;
use millstream::processor::RecordErrorKind;
use millstream::worker::{ErrorAction, ErrorLabels, Guarantee, Options};

use crate::TopologyTestDriver;

const GUARANTEES: [Guarantee; 2] = [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce];

/// Options with one policy for all.
fn all(policy: ErrorPolicy, guarantee: Guarantee) -> impl Fn(&mut Options) + Send + Sync + Clone + 'static {
    move |options| {
        options.guarantee = guarantee;
        options.errors.read = policy;
        options.errors.process = policy;
        options.errors.write = policy;
    }
}

/// How many records were left out, by kind and action.
fn counted(driver: &TopologyTestDriver) -> BTreeMap<(RecordErrorKind, ErrorAction), u64> {
    let mut counted = BTreeMap::new();
    for (ErrorLabels { kind, action, .. }, count) in driver.errors() {
        *counted.entry((kind, action)).or_default() += count;
    }
    counted
}

/// A value that is poison where it is looked at.
fn is_poison(value: i64) -> bool {
    value % 20 == 13
}

/// Panics at poison.
fn swallow(value: i64) -> i64 {
    assert!(!is_poison(value), "poison: {value}");
    value
}

/// Writes and reads numbers, but no poison: an error, or a panic.
#[derive(Clone, Copy)]
struct Picky {
    panics: bool,
    reads_poison: bool,
    writes_poison: bool,
}

impl Picky {
    const READER: Picky = Picky { panics: false, reads_poison: false, writes_poison: true };
    const WRITER: Picky = Picky { panics: false, reads_poison: true, writes_poison: false };

    fn panicking(self) -> Self {
        Picky { panics: true, ..self }
    }

    fn refuse(self, value: i64) -> Result<(), millstream::serde::SerdeError> {
        assert!(!self.panics, "no serde swallows {value}");
        Err(millstream::serde::SerdeError::new(format!("{value} is poison")))
    }
}

impl Serde<i64> for Picky {
    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), millstream::serde::SerdeError> {
        if !self.writes_poison && is_poison(*value) {
            self.refuse(*value)?;
        }
        Be64.encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, millstream::serde::SerdeError> {
        let value = Be64.decode(bytes)?;
        if !self.reads_poison && is_poison(value) {
            self.refuse(value)?;
        }
        Ok(value)
    }
}
