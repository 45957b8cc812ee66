//! Records at which the worker must go back to its last commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::broker::{BrokerError, ErrorKind};
use millstream::prelude::*;

/// Fails at every so many records that pass, counted over all tasks, but not for ever: else nothing would be committed.
#[derive(Clone)]
pub(super) struct Faults {
    every: u64,
    times: u64,
    passed: Arc<AtomicU64>,
}

impl Faults {
    pub(super) fn every(every: u64, times: u64) -> Self {
        Faults { every, times, passed: Arc::default() }
    }

    pub(super) fn never() -> Self {
        Faults::every(1, 0)
    }

    fn is_due(&self) -> bool {
        let passed = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        passed.is_multiple_of(self.every) && passed / self.every <= self.times
    }

    /// The same stream, where it does not fail.
    pub(super) fn on<K: Clone + 'static, V: Clone + 'static>(
        &self,
        name: &'static str,
        stream: &Stream<K, V>,
    ) -> Stream<K, V> {
        stream.process(name, Fault { faults: self.clone(), of: std::marker::PhantomData }, &[])
    }
}

struct Fault<K, V> {
    faults: Faults,
    of: std::marker::PhantomData<(K, V)>,
}

impl<K: Clone + 'static, V: Clone + 'static> Processor for Fault<K, V> {
    type KeyIn = K;
    type ValueIn = V;
    type KeyOut = K;
    type ValueOut = V;

    fn process(&self, context: &mut ProcessorContext<'_, '_, K, V>, record: Record<K, V>) -> Result<(), ProcessError> {
        if self.faults.is_due() {
            return Err(BrokerError::new(ErrorKind::Abort, "a fault of the test").into());
        }
        context.forward(record)
    }
}
