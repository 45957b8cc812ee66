use std::hash::Hash;
use std::rc::Rc;

use super::serde::{Answer, Instruction, Subscriber, SubscriberSerde, Subscription};
use super::{BothSerdes, Change, Stream, Table};
use crate::processor::{Context, ProcessError};
use crate::record::Record;
use crate::serde::{Bytes, Serde, SerdeError, encode};
use crate::state::{Connect, SortedStore, Store};
use crate::topology::NodeKind;

impl<L: Hash + Eq + Clone + 'static, W: Clone + 'static> Table<L, W> {
    /// Keeps the subscriptions, and answers them with this table's rows: when they come, and when a row changes.
    pub(super) fn answer(
        &self,
        name: &str,
        subscriptions: &Stream<Option<L>, Subscription>,
        (key_serde, value_serde): BothSerdes<L, W>,
    ) -> Stream<Vec<u8>, Answer> {
        let mut graph = self.builder.graph.borrow_mut();
        let store: Store<Vec<u8>, Subscriber> = Store::new(format!("{name}-subscriptions"), Bytes, SubscriberSerde);
        let id = graph.store(&store.name);
        let subscribers = SortedStore::new(id, store.into());
        graph.set_store(id, subscribers.erased());
        let node = graph.node(NodeKind::Processor("foreign-answer"), &[subscriptions.node, self.node]);
        graph.connect(subscribers.store_id(), node);
        for store in self.view.stores() {
            graph.connect(store, node);
        }
        drop(graph);

        let answers: Stream<Vec<u8>, Answer> = Stream::new(&self.builder, node, true);
        let (rows, children) = (self.view.clone(), answers.children.clone());
        subscriptions.children.add(node.0, {
            let (subscribers, key_serde, value_serde) = (subscribers.clone(), key_serde.clone(), value_serde.clone());
            move |context: &mut Context<'_>, record| -> Result<(), ProcessError> {
                let Record { key: foreign, value: Subscription { instruction, subscriber, key }, .. } = record;
                let Record { timestamp, headers, .. } = record;
                if let Some(foreign) = &foreign {
                    let mut row = prefix_of(&*key_serde, foreign)?;
                    row.extend_from_slice(&key);
                    let deleted = matches!(instruction, Instruction::Delete | Instruction::DeleteAndAnswer);
                    subscribers.put(row, (!deleted).then(|| subscriber.clone()), timestamp);
                }
                if instruction == Instruction::Delete {
                    return Ok(());
                }
                let found = match &foreign {
                    Some(foreign) => rows.with(foreign, |row| -> Result<_, SerdeError> {
                        row.map(|(value, time)| Ok((bytes_of(&*value_serde, value)?, time))).transpose()
                    })?,
                    None => None,
                };
                if instruction == Instruction::AnswerIfThere && found.is_none() {
                    return Ok(());
                }
                let (value, timestamp) = found.map_or((None, timestamp), |(value, time)| (value, time.max(timestamp)));
                let value = value.filter(|_| instruction != Instruction::DeleteAndAnswer);
                children.push(context, Record { key, value: Answer { subscriber, value }, timestamp, headers })
            }
        });
        let children = answers.children.clone();
        self.children.add(node.0, move |context: &mut Context<'_>, record| -> Result<(), ProcessError> {
            let Record { key: foreign, value: Change { new, .. }, timestamp, headers } = record;
            let prefix = prefix_of(&*key_serde, &foreign)?;
            let value = match &new {
                Some(value) => bytes_of(&*value_serde, value)?,
                None => None,
            };
            subscribers.for_each_from(&prefix, |row, subscriber| {
                let Some(key) = row.strip_prefix(prefix.as_slice()) else {
                    return Ok(false);
                };
                let answer = Answer { subscriber: subscriber.clone(), value: value.clone() };
                let record = Record { key: key.to_vec(), value: answer, timestamp, headers: headers.clone() };
                children.push(context, record).map(|()| true)
            })
        });
        answers
    }
}

/// What the keys of a foreign key's subscriptions begin with, as Kafka Streams writes it: the foreign key's length in four
/// bytes, and its bytes. The left key's bytes follow.
fn prefix_of<L: 'static>(serde: &dyn Serde<L>, foreign: &L) -> Result<Vec<u8>, SerdeError> {
    let mut bytes = vec![0; 4];
    serde.encode(foreign, &mut bytes)?;
    let length = u32::try_from(bytes.len() - 4).map_err(|_| SerdeError::new("a foreign key longer than 4 GiB"))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

fn bytes_of<W: 'static>(serde: &dyn Serde<W>, value: &W) -> Result<Option<Rc<[u8]>>, SerdeError> {
    Ok(encode(serde, value, &mut Vec::new())?.map(Into::into))
}
