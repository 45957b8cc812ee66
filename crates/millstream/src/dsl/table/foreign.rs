use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::super::Change;
use super::foreign_serde::{
    Answer, AnswerSerde, Instruction, Response, ResponseSerde, Subscriber, SubscriberSerde, Subscription,
    SubscriptionSerde, hash_of,
};
use super::view::{Serdes, View};
use super::{Stream, Table};
use crate::partitioner::partition_of;
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::serde::{Bytes, Serde, SerdeError, encode};
use crate::state::{Connect, SortedStore, Store};
use crate::topic::Topic;
use crate::topology::NodeKind;

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Joins each row with the row of another table whose key the row's value names: `foreign_key`; `None` names none.
    ///
    /// An update of either side yields one for each row that it concerns, a tombstone where a joined row is gone; a tombstone
    /// may also come where there was none. Rows without a foreign key have none that is joined. Left rows are told to the right
    /// table's tasks through the topic `<application_id>-<name>-subscription-repartition` and kept there in the store
    /// `<name>-subscriptions`; answers come back through `<application_id>-<name>-response-repartition`, and are dropped
    /// when the left row has changed meanwhile. So results follow the tables after a while, and updates of one side in quick
    /// succession may yield fewer. Times are the larger one of both rows, for an update of the right table its own.
    ///
    /// The partition counts of both tables may differ. The joined rows are not kept, unless it is asked for with
    /// [`Table::materialize`]. Both tables must know how their rows are written; see [`Table::with_serdes`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (cities, people) = (Topic::new("cities", Utf8, Utf8), Topic::new("people", Utf8, Utf8));
    /// # let output = Topic::new("out", Utf8, Utf8);
    /// # let (c, p, o) = (cities.clone(), people.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let city_of = b.table(&p, Store::new("city-of", Utf8, Utf8));
    ///     let country_of = b.table(&c, Store::new("country-of", Utf8, Utf8));
    ///     city_of
    ///         .join_foreign("country", &country_of, |city| Some(city.clone()), |city, country| format!("{city}, {country}"))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&people, "ann".to_string(), "rome".to_string(), 0);
    /// driver.pipe(&people, "bob".to_string(), "oslo".to_string(), 1);
    /// driver.pipe(&cities, "rome".to_string(), "italy".to_string(), 2);
    /// driver.pipe_null(&people, "ann".to_string(), 3);
    /// let expected = [("ann".to_string(), Some("rome, italy".to_string())), ("ann".to_string(), None)];
    /// assert_eq!(driver.entries(&output), expected);
    /// ```
    pub fn join_foreign<L, W, R>(
        &self,
        name: &str,
        other: &Table<L, W>,
        foreign_key: impl Fn(&V) -> Option<L> + 'static,
        joiner: impl Fn(&V, &W) -> R + 'static,
    ) -> Table<K, R>
    where
        L: Hash + Eq + Clone + 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.foreign(name, other, false, foreign_key, move |left, right: Option<&W>| Some(joiner(left, right?)))
    }

    /// As [`Table::join_foreign`], but with a row for each row of the left table: where it names no foreign key, or the right
    /// table has no row, it is joined with `None`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (cities, people) = (Topic::new("cities", Utf8, Utf8), Topic::new("people", Utf8, Utf8));
    /// # let output = Topic::new("out", Utf8, Utf8);
    /// # let (c, p, o) = (cities.clone(), people.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let city_of = b.table(&p, Store::new("city-of", Utf8, Utf8));
    ///     let country_of = b.table(&c, Store::new("country-of", Utf8, Utf8));
    ///     let joiner = |city: &String, country: Option<&String>| format!("{city}, {}", country.map_or("?", |c| c));
    ///     city_of.left_join_foreign("country", &country_of, |city| Some(city.clone()), joiner).to_stream().to(&o)
    /// });
    /// driver.pipe(&people, "ann".to_string(), "rome".to_string(), 0);
    /// driver.pipe(&cities, "rome".to_string(), "italy".to_string(), 1);
    /// assert_eq!(driver.values(&output), ["rome, ?", "rome, italy"]);
    /// ```
    pub fn left_join_foreign<L, W, R>(
        &self,
        name: &str,
        other: &Table<L, W>,
        foreign_key: impl Fn(&V) -> Option<L> + 'static,
        joiner: impl Fn(&V, Option<&W>) -> R + 'static,
    ) -> Table<K, R>
    where
        L: Hash + Eq + Clone + 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.foreign(name, other, true, foreign_key, move |left, right| Some(joiner(left, right)))
    }

    fn foreign<L, W, R>(
        &self,
        name: &str,
        other: &Table<L, W>,
        left_join: bool,
        foreign_key: impl Fn(&V) -> Option<L> + 'static,
        joiner: impl Fn(&V, Option<&W>) -> Option<R> + 'static,
    ) -> Table<K, R>
    where
        L: Hash + Eq + Clone + 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let operator = if left_join { "foreign-left-join" } else { "foreign-join" };
        let rows = self.require_rows(operator) && other.require_rows(operator);
        let (left, right) = (self.require_serdes(operator), other.require_serdes(operator));
        let (true, Some(left), Some(right)) = (rows, left, right) else {
            return self.joined(Stream::new(&self.builder, self.node, false));
        };
        let subscription: Topic<Option<L>, Subscription> = Topic {
            name: format!("{name}-subscription").into(),
            key: Arc::new(ForeignKey(right.0.clone())),
            value: Arc::new(SubscriptionSerde),
            timestamp: None,
            watermark: None,
            partitions: None,
        };
        let foreign = Rc::new(Foreign { key: Box::new(foreign_key), hash: RowHash::new(left.1) });
        let asked = self.builder.graph.borrow_mut().repartition(&subscription.name);
        self.subscribe(left.0.clone(), foreign.clone(), left_join).write(&asked, &subscription, None);
        let answers = other.answer(name, &self.builder.source(&subscription, asked.clone()), right.clone());
        let response = self.builder.graph.borrow_mut().repartition(&format!("{name}-response"));
        let key_serde = left.0.clone();
        let to_left = move |key: &Vec<u8>, answer: Option<&Answer>, partitions: i32| {
            let told = answer.and_then(|answer| answer.subscriber.partition).filter(|told| *told < partitions);
            told.unwrap_or_else(|| partition_of(key_serde.partition_bytes(key), partitions))
        };
        answers.write(&response, &Topic::new("", Bytes, AnswerSerde), Some(Box::new(to_left)));
        let responses: Topic<K, Response<W>> = Topic {
            name: response.clone(),
            key: left.0.clone(),
            value: Arc::new(ResponseSerde(right.1)),
            timestamp: None,
            watermark: None,
            partitions: None,
        };
        let responses = self.builder.source(&responses, response);
        // A left join has every subscription answered.
        let again = (!left_join).then(Tee::default);
        let joined = self.resolve(operator, &responses, left.0, foreign, again.clone(), joiner);
        if let Some(children) = again {
            let kind = NodeKind::Processor("foreign-subscribe-again");
            let node = self.builder.graph.borrow_mut().node(kind, &[joined.node]);
            let again = Stream { builder: self.builder.clone(), node, children, key_changed: true };
            again.write(&asked, &subscription, None);
        }
        self.joined(joined)
    }

    /// Tells the foreign key's task of each change.
    fn subscribe<L: Eq + Clone + 'static>(
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

    /// Joins the answers that are about the left row as it is now. `again` takes new subscriptions of rows that changed after
    /// they were asked for, and of whose joined rows nothing is known.
    ///
    /// An answer without a right row takes the joined row away. If it is stale, nothing else may do it: the next subscription
    /// is answered only if there is a right row, as if the one before had been heeded.
    fn resolve<L: Clone + 'static, W: Clone + 'static, R: Clone + 'static>(
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

    fn joined<R>(&self, changes: Stream<K, Change<R>>) -> Table<K, R> {
        let serdes = Serdes { key: self.serdes.key.clone(), value: None };
        let Stream { builder, node, children, .. } = changes;
        Table { builder, node, children, view: View::NotKept, serdes, out_of_order: None }
    }
}

type BothSerdes<K, V> = (Arc<dyn Serde<K>>, Arc<dyn Serde<V>>);

impl<L: Hash + Eq + Clone + 'static, W: Clone + 'static> Table<L, W> {
    /// Keeps the subscriptions, and answers them with this table's rows: when they come, and when a row changes.
    fn answer(
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
        subscriptions.children.add({
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
        self.children.add(move |context: &mut Context<'_>, record| -> Result<(), ProcessError> {
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

    fn require_serdes(&self, operator: &str) -> Option<BothSerdes<L, W>> {
        let both = self.serdes.key.clone().zip(self.serdes.value.clone());
        if both.is_none() {
            let why = "of the table of {node}, which does not know how its rows are written: call with_serdes() on it, or \
                       materialize()";
            self.push_error(operator, why);
        }
        both
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

/// What an answer is about.
enum Resolved<'a, L, R> {
    /// The row as it is: this is what is joined with it now.
    Joined(Option<R>),
    /// The row as it was; another answer comes.
    Stale,
    /// The row as it was, and another answer may not come.
    AskAgain(&'a Tee<Option<L>, Subscription>, L, Option<u128>),
}

/// What the left table's rows say: the foreign key, and their values' hashes.
struct Foreign<V, L> {
    key: Box<ForeignKeyOf<V, L>>,
    hash: RowHash<V>,
}

type ForeignKeyOf<V, L> = dyn Fn(&V) -> Option<L>;

/// The hash of a row's value as it is written.
struct RowHash<V> {
    serde: Arc<dyn Serde<V>>,
    bytes: RefCell<Vec<u8>>,
}

impl<V: 'static> RowHash<V> {
    fn new(serde: Arc<dyn Serde<V>>) -> Self {
        RowHash { serde, bytes: RefCell::default() }
    }

    fn of(&self, value: &V) -> Result<u128, SerdeError> {
        let mut bytes = self.bytes.borrow_mut();
        Ok(hash_of(encode(&*self.serde, value, &mut bytes)?.unwrap_or_default()))
    }
}

/// A foreign key that may be none, which is written as null.
struct ForeignKey<L>(Arc<dyn Serde<L>>);

impl<L: 'static> Serde<Option<L>> for ForeignKey<L> {
    fn encode(&self, key: &Option<L>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        match key {
            Some(key) => self.0.encode(key, out),
            None => Ok(()),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Option<L>, SerdeError> {
        self.0.decode(bytes).map(Some)
    }

    fn is_null(&self, key: &Option<L>) -> bool {
        key.is_none()
    }

    fn decode_null(&self) -> Result<Option<L>, SerdeError> {
        Ok(None)
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        self.0.partition_bytes(encoded)
    }
}
