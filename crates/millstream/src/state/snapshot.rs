//! Snapshots: all committed rows of a store, in bounded steps, while it goes on changing. They move state from one instance's
//! memory to another's, which then reads the changelog from where it was when the snapshot began.
//!
//! What is handed out is what was committed last: for a row that changed since, what it was then. A row that was there at the
//! beginning and did not change is never missed. One that changed, or went, in between comes in one of its states, again,
//! or not at all: the changelog says what became of it.

use std::any::Any;

use super::FlushError;

/// How far a snapshot of a store has come. Made by the one who takes it, and understood by that store alone.
#[derive(Default)]
pub(crate) struct SnapshotCursor(Place);

#[derive(Default)]
enum Place {
    #[default]
    Start,
    At(Box<dyn Any>),
    End,
}

impl SnapshotCursor {
    /// Whether all rows were handed out.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.0, Place::End)
    }

    pub(super) fn is_at_start(&self) -> bool {
        matches!(self.0, Place::Start)
    }

    /// Where the last step ended; `None` at the beginning.
    pub(super) fn place<T: 'static>(&self) -> Option<&T> {
        match &self.0 {
            Place::At(place) => place.downcast_ref(),
            Place::Start | Place::End => None,
        }
    }

    /// As [`SnapshotCursor::place`], taken out: the step is to set another one.
    pub(super) fn take<T: 'static>(&mut self) -> Option<T> {
        match std::mem::take(&mut self.0) {
            Place::At(place) => place.downcast().ok().map(|place| *place),
            Place::Start | Place::End => None,
        }
    }

    /// Goes on from `place` with the next step, or is done.
    pub(super) fn go_on<T: 'static>(&mut self, place: Option<T>) {
        self.0 = place.map_or(Place::End, |place| Place::At(Box::new(place)));
    }
}

/// Takes a row as it was at the last commit; returns how many rows of the changelog it is.
pub(super) type Look<'a, K, V> = dyn FnMut(&K, &V, crate::record::Timestamp) -> Result<usize, FlushError> + 'a;
