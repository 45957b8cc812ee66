use std::rc::Rc;

use super::{Offered, Recipient, StorePosition, begin, end, row};
use crate::processor::guarded_anywhere;
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

impl Worker {
    /// Begins to hand out the state of a task that runs here, or of which there is a copy; lets go of the recipient if there is
    /// nothing to hand out.
    pub(in crate::worker) fn begin_hand_out(&mut self, task: TaskId, recipient: Box<dyn Recipient>) {
        let positions = self.positions_to_hand_out(task);
        let (Some(graph), Some(positions)) = (graph_of(self, task), positions) else {
            tracing::debug!(%task, "its state is asked for, and not here");
            return;
        };
        let Some(first) = graph.stores.first() else { return };
        let (of, mut piece) = (first.store.clone(), Vec::new());
        begin(&positions, &mut piece);
        tracing::info!(%task, "its state is handed out to another instance");
        let (cursor, rows, is_complete) = (TaskCursor::default(), 0, false);
        self.handing_out.push(HandingOut { task, recipient, of, cursor, rows, is_complete, piece });
    }

    /// Up to where in their changelogs the stores here hold all there is; in the order of the graph's stores.
    fn positions_to_hand_out(&self, task: TaskId) -> Option<Vec<StorePosition>> {
        let graph = graph_of(self, task)?;
        // Between two commits there is nothing in the changelogs of a task that runs that is not in its stores.
        let positions = match self.copies.positions(task) {
            Some(positions) => positions,
            None => match self.broker.end_offsets(&self.changelogs(task)) {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::warn!(%task, %error, "its state is not handed out");
                    return None;
                }
            },
        };
        let mut positions = positions.into_iter();
        let of_stores = graph.stores.iter().map(|store| {
            let position = store.changelog.as_ref().and_then(|_| positions.next()).unwrap_or_default();
            // What lies in a source topic is not handed out.
            let from_source = store.changelog.as_ref().is_some_and(|changelog| changelog.from_source);
            StorePosition { store: store.name.to_string().into(), position: if from_source { 0 } else { position } }
        });
        Some(of_stores.collect())
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
