//! Values whose methods panic when their turn has come.

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;

use crate::serde::{Serde, SerdeError};

thread_local! {
    /// How many more calls of user code go well, and the one that does not; 0 for all.
    pub(super) static LEFT: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn call() {
    let left = LEFT.get();
    LEFT.set(left.saturating_sub(1));
    if left == 1 {
        // As a panic, without the message.
        resume_unwind(Box::new("its turn has come"));
    }
}

/// A number, all of whose methods are user code that may panic; it has a heap, so that commits measure it.
#[derive(Debug)]
pub(super) struct Fragile(pub(super) Box<i64>);

pub(super) fn f(number: i64) -> Fragile {
    Fragile(Box::new(number))
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        call();
        Fragile(self.0.clone())
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        call();
        self.0 == other.0
    }
}

impl Eq for Fragile {}

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        call();
        // Some keys have the same hash, so that they are compared.
        (*self.0 % 3).hash(state);
    }
}

impl PartialOrd for Fragile {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fragile {
    fn cmp(&self, other: &Self) -> Ordering {
        call();
        self.0.cmp(&other.0)
    }
}

pub(super) struct FragileSerde;

impl Serde<Fragile> for FragileSerde {
    fn encode(&self, value: &Fragile, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(&value.0.to_be_bytes()[..4]);
        call();
        out.extend_from_slice(&value.0.to_be_bytes()[4..]);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Fragile, SerdeError> {
        call();
        let bytes = bytes.try_into().map_err(|_| SerdeError::new("eight bytes"))?;
        Ok(f(i64::from_be_bytes(bytes)))
    }

    fn is_null(&self, _value: &Fragile) -> bool {
        call();
        false
    }
}
