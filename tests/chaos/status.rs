use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use millstream::worker::{TaskState, WorkerStatus};
use serde::{Deserialize, Serialize};

use crate::report::say;

/// What an instance tells about itself, in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The partitions whose tasks run.
    pub(crate) running: Vec<i32>,
    /// How many tasks it has, those that are still restored included.
    pub(crate) tasks: usize,
    /// How many records it has read from changelogs.
    pub(crate) restored: u64,
}

const EVERY: Duration = Duration::from_millis(50);

impl Status {
    fn of(workers: &[Arc<WorkerStatus>]) -> Status {
        let tasks: Vec<_> = workers.iter().flat_map(|worker| worker.tasks()).collect();
        let running = tasks.iter().filter(|task| task.state == TaskState::Running);
        let mut running: Vec<i32> = running.map(|task| task.id.partition).collect();
        running.sort_unstable();
        let restored = workers.iter().map(|worker| worker.restored.load(Ordering::Relaxed)).sum();
        Status { running, tasks: tasks.len(), restored }
    }

    /// What the instance has written last; nothing yet if it has written nothing.
    pub(crate) fn read(path: &Path) -> Status {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn write(&self, path: &Path) -> Result<()> {
        // Whoever reads sees the one or the other.
        let part = path.with_extension("part");
        std::fs::write(&part, serde_json::to_vec(self)?)?;
        Ok(std::fs::rename(part, path)?)
    }
}

/// Writes the status again and again, on a thread of its own, for as long as the process lives.
pub(crate) fn tell(path: PathBuf, workers: Vec<Arc<WorkerStatus>>) {
    std::thread::spawn(move || {
        loop {
            if let Err(error) = Status::of(&workers).write(&path) {
                say(&format!("the status cannot be written: {error}"));
            }
            std::thread::sleep(EVERY);
        }
    });
}
