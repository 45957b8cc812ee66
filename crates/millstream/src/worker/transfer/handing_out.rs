use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Offered, Recipient, StorePosition, begin, end, row};
use crate::processor::guarded_anywhere;
use crate::record::Timestamp;
use crate::state::{FlushError, StateStore};
use crate::task::TaskId;
use crate::topology::{SnapshotStep, TaskCursor, TaskGraph};
use crate::worker::Worker;

/// The state of a task on its way to another instance.
pub(in crate::worker) struct HandingOut {
    task: TaskId,
    recipient: Box<dyn Recipient>,
    /// Of the stores that it began with: another graph of the same task has other rows.
    of: Rc<dyn StateStore>,
    cursor: TaskCursor,
    rows: u64,
    is_complete: bool,
    /// What is to be offered next.
    piece: Vec<u8>,
}

/// What a step of it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is more to hand out.
    More,
    /// Nothing can be handed out just now.
    Waits,
    /// All is handed out, or nobody takes it any more.
    Ended,
}

/// How many rows a step hands out at most, and how large a piece gets before it is offered, in bytes.
const ROWS_PER_STEP: usize = 2_000;
const PIECE_BYTES: usize = 128 << 10;

impl HandingOut {
    fn step(&mut self, graph: &TaskGraph) -> Result<Progress, FlushError> {
        if !self.is_complete && self.piece.len() < PIECE_BYTES {
            let (piece, rows) = (&mut self.piece, &mut self.rows);
            let step = graph.snapshot(&mut self.cursor, ROWS_PER_STEP, &mut |store, key, value, time, headers| {
                *rows += 1;
                row(store as u16, key, value, time, headers, piece);
                Ok(())
            })?;
            match step {
                SnapshotStep::More => {}
                SnapshotStep::NotYet => return Ok(Progress::Waits),
                SnapshotStep::Done => {
                    self.is_complete = true;
                    end(self.rows, &mut self.piece);
                }
            }
        }
        if !self.is_complete && self.piece.len() < PIECE_BYTES {
            return Ok(Progress::More);
        }
        match self.recipient.offer(std::mem::take(&mut self.piece)) {
            Offered::Taken if !self.is_complete => Ok(Progress::More),
            Offered::Taken | Offered::Gone => Ok(Progress::Ended),
            Offered::Full(piece) => {
                self.piece = piece;
                Ok(Progress::Waits)
            }
        }
    }
}

/// A state that another instance has asked for, and that is not handed out yet.
pub(in crate::worker) struct Asked {
    pub(in crate::worker) task: TaskId,
    pub(in crate::worker) recipient: Box<dyn Recipient>,
}

impl Worker {
    /// Begins to hand out what was asked for: copies at once, and tasks that run here with a commit. For who was thrown out of
    /// the group and does not know it yet, the changelogs go on without it: only a commit after the question for their ends
    /// shows that what lies before these is in the stores. Recipients of what is not here are let go of.
    pub(in crate::worker) fn begin_asked(&mut self, now: Timestamp) {
        if self.asked.is_empty() {
            return;
        }
        let is_running = |task: TaskId| self.tasks.iter().any(|running| running.id == task && running.is_running());
        let (running, others): (Vec<Asked>, Vec<Asked>) =
            std::mem::take(&mut self.asked).into_iter().partition(|asked| is_running(asked.task));
        for asked in others {
            if let Some(positions) = self.copies.positions(asked.task) {
                self.begin_hand_out(asked, positions);
            }
        }
        self.asked = running;
        // With something to commit, a commit comes by itself.
        if !self.asked.is_empty() && self.uncommitted() != Some(true) {
            let ends = self.ends_of_asked();
            let tasks: Vec<TaskId> = ends.iter().map(|(task, _)| *task).collect();
            if self.owns(&tasks, now) {
                self.begin_after_commit(ends);
            }
        }
    }

    /// The tasks that run here and are asked for, with the ends of their changelogs: to be asked before a commit.
    pub(in crate::worker) fn ends_of_asked(&self) -> Vec<(TaskId, Vec<i64>)> {
        let is_running = |task: &TaskId| self.tasks.iter().any(|running| running.id == *task && running.is_running());
        // Several may ask for one task.
        let tasks: BTreeSet<TaskId> = self.asked.iter().map(|asked| asked.task).filter(is_running).collect();
        let tasks: Vec<TaskId> = tasks.into_iter().collect();
        let ends = if tasks.is_empty() {
            Vec::new()
        } else {
            self.ends_of_changelogs(&tasks, |broker, changelogs| broker.end_offsets(changelogs))
        };
        tasks.into_iter().zip(ends).collect()
    }

    /// Begins to hand out what was asked for before a commit that went through; `ends`: as they were then.
    pub(in crate::worker) fn begin_after_commit(&mut self, ends: Vec<(TaskId, Vec<i64>)>) {
        for (task, ends) in ends {
            // A commit may have the tasks opened anew.
            let is_running = self.tasks.iter().any(|running| running.id == task && running.is_running());
            if !is_running {
                continue;
            }
            let (of_task, others) = std::mem::take(&mut self.asked).into_iter().partition(|asked| asked.task == task);
            self.asked = others;
            let of_task: Vec<Asked> = of_task;
            of_task.into_iter().for_each(|asked| self.begin_hand_out(asked, ends.clone()));
        }
    }

    fn begin_hand_out(&mut self, asked: Asked, positions: Vec<i64>) {
        let Asked { task, recipient } = asked;
        let Some(graph) = graph_of(self, task) else { return };
        let Some(first) = graph.stores.first() else { return };
        let mut positions = positions.into_iter();
        let of_stores = graph.stores.iter().map(|store| {
            let position = store.changelog.as_ref().and_then(|_| positions.next()).unwrap_or_default();
            // What lies in a source topic is not handed out.
            let from_source = store.changelog.as_ref().is_some_and(|changelog| changelog.from_source);
            StorePosition { store: store.name.to_string().into(), position: if from_source { 0 } else { position } }
        });
        let (of, mut piece) = (first.store.clone(), Vec::new());
        begin(&of_stores.collect::<Vec<_>>(), &mut piece);
        tracing::info!(%task, "its state is handed out to another instance");
        let (cursor, rows, is_complete) = (TaskCursor::default(), 0, false);
        self.handing_out.push(HandingOut { task, recipient, of, cursor, rows, is_complete, piece });
    }

    /// Hands out some rows of each state that is asked for; returns whether there is more to do at once.
    pub(in crate::worker) fn hand_out(&mut self) -> bool {
        let mut more = false;
        for mut handing_out in std::mem::take(&mut self.handing_out) {
            let task = handing_out.task;
            let graph = graph_of(self, task);
            let same =
                graph.filter(|graph| graph.stores.first().is_some_and(|s| Rc::ptr_eq(&s.store, &handing_out.of)));
            let Some(graph) = same else {
                tracing::info!(%task, "its state is not handed out any further: it is not here any more");
                continue;
            };
            let step = guarded_anywhere(|| handing_out.step(graph)).map_err(|panic| panic.to_string());
            match step.and_then(|step| step.map_err(|error| error.to_string())) {
                Ok(Progress::Ended) => tracing::info!(%task, rows = handing_out.rows, "its state is handed out"),
                Ok(progress) => {
                    more |= progress == Progress::More;
                    self.handing_out.push(handing_out);
                }
                Err(error) => tracing::warn!(%task, %error, "its state is not handed out any further"),
            }
        }
        more
    }
}

/// The stores of a task that runs here, or of a copy that is not itself being filled.
fn graph_of(worker: &Worker, task: TaskId) -> Option<&TaskGraph> {
    let running = worker.tasks.iter().find(|running| running.id == task && running.is_running());
    running.map(|task| task.graph()).or_else(|| worker.copies.graph(task))
}
