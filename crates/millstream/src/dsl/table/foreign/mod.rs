//! Foreign-key joins, as KIP-213 does them: the left table's rows subscribe, at the tasks that have their foreign keys, to rows
//! of the right table, and the answers are joined with the left rows if these are still the same.

mod answer;
mod resolve;
mod serde;
mod subscribe;

use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use self::serde::{Answer, AnswerSerde, Response, ResponseSerde, Subscription, SubscriptionSerde, hash_of};
use super::super::Change;
use super::view::{Serdes, View};
use super::{Stream, Table};
use crate::partitioner::partition_of;
use crate::processor::Tee;
use crate::serde::{Bytes, Nullable, Serde, SerdeError, encode};
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
        let asked = self.builder.graph.borrow_mut().repartition(&format!("{name}-subscription"));
        let subscription: Topic<Option<L>, Subscription> =
            Topic::new(asked.clone(), Nullable(right.0.clone()), SubscriptionSerde);
        let foreign = Rc::new(Foreign { key: Box::new(foreign_key), hash: RowHash::new(left.1) });
        self.subscribe(left.0.clone(), foreign.clone(), left_join).write(&asked, &subscription, None);
        let answers = other.answer(name, &self.builder.source(&subscription, asked.clone()), right.clone());
        let response = self.builder.graph.borrow_mut().repartition(&format!("{name}-response"));
        let key_serde = left.0.clone();
        let to_left = move |key: &Vec<u8>, answer: Option<&Answer>, partitions: i32| {
            let told = answer.and_then(|answer| answer.subscriber.partition).filter(|told| *told < partitions);
            told.unwrap_or_else(|| partition_of(key_serde.partition_bytes(key), partitions))
        };
        answers.write(&response, &Topic::new("", Bytes, AnswerSerde), Some(Box::new(to_left)));
        let responses: Topic<K, Response<W>> = Topic::new(response.clone(), left.0.clone(), ResponseSerde(right.1));
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

    fn joined<R>(&self, changes: Stream<K, Change<R>>) -> Table<K, R> {
        let serdes = Serdes { key: self.serdes.key.clone(), value: None };
        let Stream { builder, node, children, .. } = changes;
        Table { builder, node, children, view: View::NotKept, serdes, out_of_order: None }
    }
}

type BothSerdes<K, V> = (Arc<dyn Serde<K>>, Arc<dyn Serde<V>>);

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    fn require_serdes(&self, operator: &str) -> Option<BothSerdes<K, V>> {
        let both = self.serdes.key.clone().zip(self.serdes.value.clone());
        if both.is_none() {
            let why = "of the table of {node}, which does not know how its rows are written: call with_serdes() on it, or \
                       materialize()";
            self.push_error(operator, why);
        }
        both
    }
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
