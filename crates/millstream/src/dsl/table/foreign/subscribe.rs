use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::serde::{Instruction, Subscriber, Subscription};
use super::{Change, Foreign, Stream, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::serde::Serde;

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Tells the foreign key's task of each change.
    pub(super) fn subscribe<L: Eq + Clone + 'static>(
        &self,
        key_serde: Arc<dyn Serde<K>>,
        foreign: Rc<Foreign<V, L>>,
        left_join: bool,
    ) -> Stream<Option<L>, Subscription> {
        let subscribed =
            self.then("foreign-subscribe", move |context, record, children: &Tee<Option<L>, Subscription>| {
                let Record { key, value: Change { old, new }, timestamp, headers } = record;
                let before = old.as_ref().and_then(|value| (foreign.key)(value));
                let now = new.as_ref().and_then(|value| (foreign.key)(value));
                let partition = context.origin().map(|origin| origin.partition);
                let subscriber =
                    Subscriber { hash: new.as_ref().map(|value| foreign.hash.of(value)).transpose()?, partition };
                let mut bytes = Vec::new();
                key_serde.encode(&key, &mut bytes)?;
                let mut send = |foreign: Option<L>, instruction| {
                    let value = Subscription { instruction, subscriber: subscriber.clone(), key: bytes.clone() };
                    children.push(context, Record { key: foreign, value, timestamp, headers: headers.clone() })
                };
                if left_join {
                    if old.is_none() && new.is_none() {
                        return Ok(());
                    }
                    if before.is_some() && before != now {
                        send(before, Instruction::Delete)?;
                    }
                    return send(now, Instruction::Answer);
                }
                match (before, now) {
                    (None, None) => Ok(()),
                    (Some(before), None) => send(Some(before), Instruction::DeleteAndAnswer),
                    (Some(before), Some(now)) if before != now => {
                        send(Some(before), Instruction::Delete)?;
                        send(Some(now), Instruction::Answer)
                    }
                    (_, Some(now)) => send(Some(now), Instruction::AnswerIfThere),
                }
            });
        Stream { key_changed: true, ..subscribed }
    }
}
