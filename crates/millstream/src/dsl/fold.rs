use std::hash::Hash;
use std::rc::Rc;

use super::late::Late;
use super::windowed::{SessionFold, SlidingFold, TimeFold};
use super::{Change, Emit};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::state::KeyValueStore;

/// An operator that folds values into a store, whatever their type, and pushes what that changed.
pub trait Fold<K, A>: Sized + 'static {
    /// Folds a record's value by `step`. Gives the record back if it came too late.
    #[doc(hidden)]
    fn add<V: Clone>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &impl Fn(&K, V, &mut Option<A>),
    ) -> Result<Option<Record<K, V>>, ProcessError>;

    /// The same, not as a type, but as one of those there are.
    #[doc(hidden)]
    fn any(self: Rc<Self>) -> AnyFold<K, A>;
}

/// One of the operators that fold, for who does not know which until the topology is built.
pub enum AnyFold<K, A> {
    Rows(Rc<RowFold<K, A>>),
    Time(Rc<TimeFold<K, A>>),
    Sliding(Rc<SlidingFold<K, A>>),
    Session(Rc<SessionFold<K, A>>),
}

impl<K, A> Clone for AnyFold<K, A> {
    fn clone(&self) -> Self {
        match self {
            AnyFold::Rows(fold) => AnyFold::Rows(fold.clone()),
            AnyFold::Time(fold) => AnyFold::Time(fold.clone()),
            AnyFold::Sliding(fold) => AnyFold::Sliding(fold.clone()),
            AnyFold::Session(fold) => AnyFold::Session(fold.clone()),
        }
    }
}

/// Has a node's records folded.
pub(super) fn fold_all<K: Clone + 'static, V: Clone + 'static, A: 'static>(
    source: &Tee<K, V>,
    fold: Rc<impl Fold<K, A>>,
    late: Late<K, V>,
    step: impl Fn(&K, V, &mut Option<A>) + 'static,
) {
    source.add(late.node().0, move |context, record| match fold.add(context, record, &step)? {
        Some(record) => late.push(context, record),
        None => Ok(()),
    });
}

/// Folds the values of each key.
pub struct RowFold<K, A> {
    rows: KeyValueStore<K, A>,
    emit: Emit,
    children: Tee<K, Change<A>>,
}

impl<K, A> RowFold<K, A> {
    pub(super) fn new(rows: KeyValueStore<K, A>, emit: Emit, children: Tee<K, Change<A>>) -> Rc<Self> {
        Rc::new(RowFold { rows, emit, children })
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> Fold<K, A> for RowFold<K, A> {
    #[inline]
    fn add<V: Clone>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &impl Fn(&K, V, &mut Option<A>),
    ) -> Result<Option<Record<K, V>>, ProcessError> {
        let Record { key, value, timestamp, headers } = record;
        let (on_update, wants_old) = (self.emit.on_update(), self.children.wants_old());
        let (value, timestamp) = self.rows.update(&key, |aggregate, time| {
            *time = if aggregate.is_some() { timestamp.max(*time) } else { timestamp };
            let old = if on_update && wants_old { aggregate.clone() } else { None };
            step(&key, value, aggregate);
            let new = if on_update { aggregate.clone() } else { None };
            (Change { old, new }, *time)
        });
        if on_update {
            self.children.push(context, Record { key, value, timestamp, headers })?;
        }
        Ok(None)
    }

    fn any(self: Rc<Self>) -> AnyFold<K, A> {
        AnyFold::Rows(self)
    }
}
