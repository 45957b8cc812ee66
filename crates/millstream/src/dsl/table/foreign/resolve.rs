use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::serde::{Instruction, Response, Subscriber, Subscription};
use super::{Change, Foreign, Stream, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::serde::{Serde, SerdeError};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Joins the answers that are about the left row as it is now. `again` takes new subscriptions of rows that changed after
    /// they were asked for, and of whose joined rows nothing is known.
    ///
    /// An answer without a right row takes the joined row away. If it is stale, nothing else may do it: the next subscription
    /// is answered only if there is a right row, as if the one before had been heeded.
    pub(super) fn resolve<L: Clone + 'static, W: Clone + 'static, R: Clone + 'static>(
        &self,
        operator: &'static str,
        responses: &Stream<K, Response<W>>,
        key_serde: Arc<dyn Serde<K>>,
        foreign: Rc<Foreign<V, L>>,
        again: Option<Tee<Option<L>, Subscription>>,
        joiner: impl Fn(&V, Option<&W>) -> Option<R> + 'static,
    ) -> Stream<K, Change<R>> {
        let rows = self.view.clone();
        let resolved = responses.then(operator, false, move |context, record, children: &Tee<K, Change<R>>| {
            let Record { key, value: response, timestamp, headers } = record;
            let resolved = rows.with(&key, |row| -> Result<_, SerdeError> {
                let row = row.map(|(value, _)| value);
                let hash = row.map(|value| foreign.hash.of(value)).transpose()?;
                if hash == response.hash {
                    return Ok(Resolved::Joined(row.and_then(|value| joiner(value, response.value.as_ref()))));
                }
                Ok(match (&again, row.and_then(|value| (foreign.key)(value))) {
                    (Some(again), Some(foreign)) if response.value.is_none() => {
                        Resolved::AskAgain(again, foreign, hash)
                    }
                    (Some(_), None) if response.value.is_none() => Resolved::Joined(None),
                    _ => Resolved::Stale,
                })
            })?;
            match resolved {
                Resolved::Joined(new) => {
                    children.push(context, Record { key, value: Change { old: None, new }, timestamp, headers })
                }
                Resolved::AskAgain(again, foreign, hash) => {
                    let partition = context.origin().map(|origin| origin.partition);
                    let mut bytes = Vec::new();
                    key_serde.encode(&key, &mut bytes)?;
                    let subscriber = Subscriber { hash, partition };
                    let value = Subscription { instruction: Instruction::Answer, subscriber, key: bytes };
                    again.push(context, Record { key: Some(foreign), value, timestamp, headers })
                }
                Resolved::Stale => Ok(()),
            }
        });
        for store in self.view.stores() {
            self.builder.graph.borrow_mut().connect(store, resolved.node);
        }
        resolved
    }
}

/// What an answer is about.
enum Resolved<'a, L, R> {
    /// The row as it is: this is what is joined with it now.
    Joined(Option<R>),
    /// The row as it was; another answer comes.
    Stale,
    /// The row as it was, and another answer may not come.
    AskAgain(&'a Tee<Option<L>, Subscription>, L, Option<u128>),
}
