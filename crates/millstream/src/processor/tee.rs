use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Context, ProcessError};
use crate::record::Record;

/// Takes each record that a node forwards.
type Push<K, V> = Box<dyn Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError>>;

/// One child of a node.
struct Child<K, V> {
    /// Its number.
    node: u32,
    push: Push<K, V>,
}

/// The children of a node. They are added while the topology is built; then records are pushed to them.
pub(crate) struct Tee<K, V>(Rc<Children<K, V>>);

struct Children<K, V> {
    children: RefCell<Vec<Child<K, V>>>,
    wants_old: Cell<bool>,
}

impl<K, V> Tee<K, V> {
    /// Adds a child, the node of this number.
    pub(crate) fn add(
        &self,
        node: usize,
        push: impl Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError> + 'static,
    ) {
        self.0.wants_old.set(true);
        self.add_without_old(node, push);
    }

    /// Adds a child that does not look at a change's value before.
    pub(crate) fn add_without_old(
        &self,
        node: usize,
        push: impl Fn(&mut Context<'_>, Record<K, V>) -> Result<(), ProcessError> + 'static,
    ) {
        self.0.children.borrow_mut().push(Child { node: node as u32, push: Box::new(push) });
    }

    /// Whether a child may look at a change's value before: if not, it need not be worked out, and may be missing.
    pub(crate) fn wants_old(&self) -> bool {
        self.0.wants_old.get()
    }
}

impl<K, V> Child<K, V> {
    /// Notes that the child has the record; afterwards its parent has it again. An error is said to be the child's.
    #[inline]
    fn push(&self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), ProcessError> {
        let parent = context.at.go_to(self.node);
        let pushed = (self.push)(context, record);
        context.at.go_back(parent);
        match pushed {
            Ok(()) => Ok(()),
            Err(error) => Err(error.at(self.node as usize)),
        }
    }
}

impl<K: Clone, V: Clone> Tee<K, V> {
    /// Hands the record to each child in turn; the last one gets it without a clone.
    #[inline]
    pub(crate) fn push(&self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), ProcessError> {
        let children = self.0.children.borrow();
        let Some((last, rest)) = children.split_last() else {
            return Ok(());
        };
        for child in rest {
            child.push(context, record.clone())?;
        }
        last.push(context, record)
    }
}

impl<K, V> Default for Tee<K, V> {
    fn default() -> Self {
        Tee(Rc::new(Children { children: RefCell::default(), wants_old: Cell::new(false) }))
    }
}

impl<K, V> Clone for Tee<K, V> {
    fn clone(&self) -> Self {
        Tee(self.0.clone())
    }
}
