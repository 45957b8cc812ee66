use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Context, ProcessError};
use crate::record::Record;

/// One child of a node: takes each record that the node forwards.
type Push<K, V> = Box<dyn Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError>>;

/// The children of a node. They are added while the topology is built; then records are pushed to them.
pub(crate) struct Tee<K, V>(Rc<Children<K, V>>);

struct Children<K, V> {
    pushes: RefCell<Vec<Push<K, V>>>,
    wants_old: Cell<bool>,
}

impl<K, V> Tee<K, V> {
    pub(crate) fn add(&self, push: impl Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError> + 'static) {
        self.0.wants_old.set(true);
        self.add_without_old(push);
    }

    /// Adds a child that does not look at a change's value before.
    pub(crate) fn add_without_old(
        &self,
        push: impl Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError> + 'static,
    ) {
        self.0.pushes.borrow_mut().push(Box::new(push));
    }

    /// Whether a child may look at a change's value before: if not, it need not be worked out, and may be missing.
    pub(crate) fn wants_old(&self) -> bool {
        self.0.wants_old.get()
    }
}

impl<K: Clone, V: Clone> Tee<K, V> {
    /// Hands the record to each child in turn; the last one gets it without a clone.
    #[inline]
    pub(crate) fn push(&self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), ProcessError> {
        let children = self.0.pushes.borrow();
        let Some((last, rest)) = children.split_last() else {
            return Ok(());
        };
        for child in rest {
            child(context, record.clone())?;
        }
        last(context, record)
    }
}

impl<K, V> Default for Tee<K, V> {
    fn default() -> Self {
        Tee(Rc::new(Children { pushes: RefCell::default(), wants_old: Cell::new(false) }))
    }
}

impl<K, V> Clone for Tee<K, V> {
    fn clone(&self) -> Self {
        Tee(self.0.clone())
    }
}
