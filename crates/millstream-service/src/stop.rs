use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process is to end, and whether there is anything yet to end in order.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: AtomicBool,
    has_begun: AtomicBool,
}

impl Stop {
    /// Asks the process to end.
    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// The flag that the run looks at.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.requested
    }

    /// From now on, ending means to commit and to leave the group.
    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst)
    }
}
