//! Copies that are filled from another instance's memory.

use super::warm_copy::WarmCopy;
use crate::record::Timestamp;
use crate::task::TaskId;
use crate::worker::transfer::Taken;
use crate::worker::{Worker, WorkerStatus};

impl Worker {
    /// Begins to fill a copy from another instance's memory for a task that is to be opened, if there is no copy.
    pub(in crate::worker) fn fill_for_opening(&mut self, task: TaskId, now: Timestamp) {
        if self.copies.all.iter().any(|copy| copy.task == task) {
            return;
        }
        if let Some(filling) = self.begin_to_take_over(task) {
            let parked_until = Some(now + self.options().parked_ms);
            self.copies.all.push(WarmCopy { filling: Some(filling), parked_until, ..self.begin_copy(task) });
        }
    }

    /// Takes what has come for copies that are filled from another instance's memory; returns whether something has.
    pub(super) fn fill_copies(&mut self, now: Timestamp) -> bool {
        let (mut busy, until) = (false, now + self.options().parked_ms);
        for mut copy in std::mem::take(&mut self.copies.all) {
            let Some(filling) = &mut copy.filling else {
                self.copies.all.push(copy);
                continue;
            };
            let (task, from) = (copy.task, filling.from.clone());
            match filling.step(&copy.graph) {
                Ok(Taken::Rows(rows)) => {
                    WorkerStatus::add(&self.status.transferred, rows);
                    busy |= rows > 0;
                    self.copies.all.push(copy);
                }
                Ok(Taken::All { rows, positions }) => {
                    WorkerStatus::add(&self.status.transferred, rows);
                    tracing::info!(%task, from, rows = filling.rows, "its state was taken from another instance");
                    for followed in &mut copy.followed {
                        followed.position = positions.get(followed.store).copied().unwrap_or_default();
                    }
                    copy.filling = None;
                    // A standby is followed from there on when it is begun.
                    copy.parked_until = Some(until);
                    self.copies.all.push(copy);
                    busy = true;
                }
                // What is here is of no use. A standby is sought again, a task to be opened is restored from its changelogs.
                Err(error) => {
                    tracing::info!(%task, from, error, "its state is not taken from another instance");
                    busy = true;
                    self.seek_again(task, now);
                }
            }
        }
        busy
    }
}
