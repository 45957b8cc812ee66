use std::rc::Rc;

use super::{Offered, Recipient, StorePosition, begin, end, row};
use crate::serde::SerdeError;
use crate::state::{SnapshotCursor, StateStore};
use crate::task::TaskId;
use crate::topology::TaskGraph;

/// The state of a task on its way to another instance.
pub(crate) struct HandingOut {
    pub(crate) task: TaskId,
    recipient: Box<dyn Recipient>,
    /// Of the stores that it began with: another graph of the same task has other rows.
    stores: Rc<dyn StateStore>,
    cursor: SnapshotCursor,
    rows: u64,
    is_complete: bool,
    /// What is to be offered next.
    piece: Vec<u8>,
}

/// What a step of it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to hand out.
    More,
    /// The recipient has no room now.
    Waits,
    /// All is handed out, or nobody takes it any more.
    Ended,
}

/// How many rows a step hands out at most, and how large a piece gets before it is offered, in bytes.
const ROWS_PER_STEP: usize = 2_000;
const PIECE_BYTES: usize = 128 << 10;

impl HandingOut {
    /// Begins with the state of a task; `positions` says for each of its stores with a changelog of its own up to where in
    /// it the rows here are all there is. `None` for a task without such stores.
    pub(crate) fn begin(
        task: TaskId,
        graph: &TaskGraph,
        positions: Vec<StorePosition>,
        recipient: Box<dyn Recipient>,
    ) -> Option<Self> {
        let stores = graph.stores.first()?.store.clone();
        let mut piece = Vec::new();
        begin(&positions, &mut piece);
        let cursor = SnapshotCursor::default();
        Some(HandingOut { task, recipient, stores, cursor, rows: 0, is_complete: false, piece })
    }

    /// Whether these are the stores that it began with.
    pub(crate) fn is_of(&self, graph: &TaskGraph) -> bool {
        graph.stores.first().is_some_and(|store| Rc::ptr_eq(&store.store, &self.stores))
    }

    /// Hands out some rows.
    ///
    /// # Errors
    /// A row cannot be written.
    pub(crate) fn step(&mut self, graph: &TaskGraph) -> Result<Progress, SerdeError> {
        if !self.is_complete && self.piece.len() < PIECE_BYTES {
            let (piece, rows) = (&mut self.piece, &mut self.rows);
            self.is_complete = graph.snapshot(&mut self.cursor, ROWS_PER_STEP, &mut |store, key, value, time, headers| {
                *rows += 1;
                row(store, key, value, time, headers, piece);
            })?;
            if self.is_complete {
                end(self.rows, &mut self.piece);
            }
        }
        if !self.is_complete && self.piece.len() < PIECE_BYTES {
            return Ok(Progress::More);
        }
        match self.recipient.offer(std::mem::take(&mut self.piece)) {
            Offered::Taken if self.is_complete => Ok(Progress::Ended),
            Offered::Taken => Ok(Progress::More),
            Offered::Full(piece) => {
                self.piece = piece;
                Ok(Progress::Waits)
            }
            Offered::Gone => Ok(Progress::Ended),
        }
    }
}
