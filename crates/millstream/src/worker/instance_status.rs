use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{KnownInstances, Phase, StateServer, WorkerStatus};

/// What an instance tells about itself, for metrics and health; read from any thread at any time.
pub struct InstanceStatus {
    /// What its workers tell.
    pub workers: Vec<Arc<WorkerStatus>>,
    /// The instances that it knows of.
    pub instances: Arc<KnownInstances>,
    /// How much memory the process uses, in bytes, as whoever runs the instance says; 0 where nobody does. Others are told.
    pub memory_bytes: AtomicU64,
    /// When the group was last polled: ms since 1970, as whoever runs the instance says; 0 where nobody does.
    pub polled_at: AtomicI64,
    /// The way to the state of its tasks.
    pub states: StateServer,
    phase: Mutex<Phase>,
}

impl InstanceStatus {
    pub(super) fn new(workers: Vec<Arc<WorkerStatus>>, instances: Arc<KnownInstances>, states: StateServer) -> Self {
        InstanceStatus {
            workers,
            instances,
            memory_bytes: AtomicU64::new(0),
            polled_at: AtomicI64::new(0),
            states,
            phase: Mutex::new(Phase::Running),
        }
    }

    /// What the instance is doing.
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn memory(&self) -> Option<u64> {
        Some(self.memory_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}
