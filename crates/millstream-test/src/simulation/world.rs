use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream::record::Timestamp;

use super::{Fault, FaultCounts, Odds, Random};

/// What all parts of one run share: what goes wrong, how often it did, and what happened.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) odds: Odds,
    pub(crate) counts: FaultCounts,
    pub(crate) now: Timestamp,
    /// Whether the broker went away; who runs the cluster brings it back.
    pub(crate) is_away: bool,
    /// What happened, a line each; none unless asked for.
    trace: Option<String>,
}

/// One thread uses it; the ports to a broker must be able to go to another.
#[derive(Clone)]
pub(crate) struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    pub(crate) fn new(random: Random, odds: Odds, traced: bool) -> Self {
        let (counts, now, is_away, trace) = (FaultCounts::default(), 0, false, traced.then(String::new));
        SharedWorld(Arc::new(Mutex::new(World { random, odds, counts, now, is_away, trace })))
    }

    pub(crate) fn get(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Notes an event, if anybody wants to read it.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            // A string takes everything.
            let _ = writeln!(trace, "{:>7} {}", self.now, event());
        }
    }

    /// Counts a fault that occurs, and notes where.
    pub(crate) fn count(&mut self, fault: Fault, place: &str) {
        self.counts.add(fault, 1);
        self.note(|| format!("{place}: {fault}"));
    }

    /// Whether something happens now that happens once in so many times.
    pub(crate) fn draw(&mut self, odds: impl FnOnce(&Odds) -> u64) -> bool {
        let times = odds(&self.odds);
        self.random.one_in(times)
    }

    pub(crate) fn take_trace(&mut self) -> String {
        self.trace.take().unwrap_or_default()
    }
}
