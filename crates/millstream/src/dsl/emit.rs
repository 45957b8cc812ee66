use super::Change;
use crate::processor::{Context, ProcessError, PunctuationType, Tee};
use crate::record::{Headers, Record, Timestamp};
use crate::serde::SerdeError;
use crate::state::ChangedRow;
use crate::topology::{NodeId, TopologyBuilder};

/// When an aggregation passes on its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Each time that a record changes one.
    #[default]
    OnUpdate,
    /// Before each commit those that changed since the last one, each once; what it was at the last commit is the change's old
    /// value. Fewer results, as with Kafka Streams' cache, but of the same meaning. What closes windows behind it, in the same
    /// task, sees them as late as the commit.
    OnCommit,
    /// Each window's once, when the window is closed: stream time has passed its end and its grace. In the order of their windows
    /// and, within one, of the keys' bytes, each with the time of the last change. After an abort or a restart nothing is
    /// missing or repeated.
    OnWindowClose,
}

impl Emit {
    pub(super) fn on_update(self) -> bool {
        self == Emit::OnUpdate
    }
}

/// A change, with its key and the time of it.
fn record<K, A>(key: K, old: Option<A>, new: Option<A>, timestamp: Timestamp) -> Record<K, Change<A>> {
    Record { key, value: Change { old, new }, timestamp, headers: Headers::default() }
}

/// Passes on, before each commit, what has changed.
pub(super) fn on_commit<K: Clone + 'static, A: Clone + 'static>(
    builder: &TopologyBuilder,
    node: NodeId,
    children: &Tee<K, Change<A>>,
    changed: impl Fn() -> Vec<ChangedRow<K, A>> + 'static,
) {
    let children = children.clone();
    builder.graph.borrow_mut().before_commit(node, move |context| {
        changed()
            .into_iter()
            .try_for_each(|row| children.push(context, record(row.key, row.before, row.now, row.timestamp)))
    });
}

/// Final results: their keys, values and times.
pub(super) type Finals<K, A> = Vec<(K, A, Timestamp)>;

/// Passes on what is final, when it is due.
pub(super) fn on_close<K: Clone + 'static, A: Clone + 'static>(
    builder: &TopologyBuilder,
    node: NodeId,
    children: &Tee<K, Change<A>>,
    due: impl Fn() -> Timestamp + 'static,
    take: impl Fn(Timestamp) -> Result<Finals<K, A>, SerdeError> + 'static,
) {
    let children = children.clone();
    let call = move |context: &mut Context<'_>, time: Timestamp| -> Result<(), ProcessError> {
        let mut finals = take(time)?.into_iter();
        finals.try_for_each(|(key, value, timestamp)| children.push(context, record(key, None, Some(value), timestamp)))
    };
    builder.graph.borrow_mut().alarm(node, PunctuationType::StreamTime, due, call);
}
