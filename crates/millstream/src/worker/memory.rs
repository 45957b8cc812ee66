use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{Intake, Worker};
use crate::record::Timestamp;
use crate::state::StoreSize;

/// How often a worker looks how much its stores take, in ms.
const MEASURED_EVERY_MS: i64 = 250;
/// How long a worker that is to be slow waits after each batch, in ms.
const PAUSE_MS: i64 = 20;

/// What a worker knows of its memory.
#[derive(Default)]
pub(super) struct Memory {
    measured_at: Option<Timestamp>,
    /// Nothing is read before then.
    paused_until: Option<Timestamp>,
}

impl Worker {
    /// Whether records may be read now, as memory is.
    pub(super) fn takes_in(&self, now: Timestamp) -> bool {
        match self.status.intake() {
            Intake::Full => true,
            Intake::Slow => self.memory.paused_until.is_none_or(|until| now >= until),
            Intake::None => false,
        }
    }

    /// After a batch: the next one comes later, if memory is short.
    pub(super) fn pause_intake(&mut self, now: Timestamp) {
        self.memory.paused_until = (self.status.intake() == Intake::Slow).then_some(now + PAUSE_MS);
    }

    /// When records are read again, if they are not now.
    pub(super) fn next_intake(&self) -> Option<Timestamp> {
        self.memory.paused_until.filter(|_| self.status.intake() == Intake::Slow)
    }

    /// Tells how much the stores and buffers take, now and then.
    pub(super) fn measure_memory(&mut self, now: Timestamp) {
        if self.memory.measured_at.is_some_and(|at| now < at + MEASURED_EVERY_MS) {
            return;
        }
        self.memory.measured_at = Some(now);
        let mut stores: BTreeMap<_, StoreSize> = BTreeMap::new();
        let graphs = self.tasks.iter().map(|task| task.graph()).chain(self.copies.all.iter().map(|copy| &copy.graph));
        let mut buffers: u64 = self.tasks.iter().map(|task| task.buffer_bytes()).sum();
        for graph in graphs {
            for store in &graph.stores {
                *stores.entry(store.name.clone()).or_default() += store.store.size();
            }
            buffers += graph.transient.iter().map(|store| store.size().bytes).sum::<u64>();
            buffers += graph.calls.iter().map(|calls| calls.bytes()).sum::<u64>();
        }
        self.status.buffer_bytes.store(buffers, Ordering::Relaxed);
        self.status.set_stores(stores);
    }
}
