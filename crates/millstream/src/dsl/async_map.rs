use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::Stream;
use crate::calls::{AsyncOptions, Attempt, BoxError, Calls};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::topology::NodeKind;

impl<K, V> Stream<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Makes another value of each record by an asynchronous call, with many calls under way at once; the key stays, and so
    /// do timestamp and headers.
    ///
    /// Calls run on the threads of an async runtime, which they must not block, and may use no store; operators behind this
    /// one may. Results come in the [order](crate::calls::CallOrder) chosen; records out of order by their timestamps are
    /// called for as they come, and the task's time does not pass a record whose call is not done. Null keys are keys like
    /// others, null values values like others, and each update of a key is called for. A call that fails in all its attempts
    /// is an error of its record. After an abort or a restart, records that were not committed are called for again: the
    /// service that is called must take that well.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// async fn population_of(city: String) -> Result<i64, std::io::Error> {
    ///     Ok(city.len() as i64 * 1000)
    /// }
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).map_async("population", AsyncOptions::new(32), |_, city| population_of(city)).to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), "Oslo".to_string(), 0);
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some(4000))]);
    /// ```
    pub fn map_async<W, E, F>(
        &self,
        name: impl Into<Arc<str>>,
        options: AsyncOptions,
        call: impl Fn(K, V) -> F + Send + Sync + 'static,
    ) -> Stream<K, W>
    where
        W: Clone + Send + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<W, E>> + Send + 'static,
    {
        let begin = move |record: Record<K, V>| attempt(call(record.key, record.value));
        self.call((name.into(), "map-async"), options, false, begin, |context, record, value, children| {
            children.push(context, record.with_value(value))
        })
    }

    /// Makes any number of records, with their keys, of each one by an asynchronous call; they have its timestamp and
    /// headers. A grouping or join after it needs a repartition topic. All else is as with [`Stream::map_async`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::new("out", Utf8, Utf8));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .flat_map_async("friends", AsyncOptions::new(32), |person, friends: String| async move {
    ///             let friends = friends.split(' ').map(|friend| (friend.to_string(), person.clone()));
    ///             Ok::<_, std::io::Error>(friends.collect::<Vec<_>>())
    ///         })
    ///         .to(&o)
    /// });
    /// driver.pipe(&input, "ann".to_string(), "bo cy".to_string(), 0);
    /// let expected = [("bo", "ann"), ("cy", "ann")].map(|(k, v)| (k.to_string(), Some(v.to_string())));
    /// assert_eq!(driver.entries(&output), expected);
    /// ```
    pub fn flat_map_async<L, W, I, E, F>(
        &self,
        name: impl Into<Arc<str>>,
        options: AsyncOptions,
        call: impl Fn(K, V) -> F + Send + Sync + 'static,
    ) -> Stream<L, W>
    where
        L: Clone + 'static,
        W: Clone + 'static,
        I: IntoIterator<Item = (L, W)> + Send + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<I, E>> + Send + 'static,
    {
        let begin = move |record: Record<K, V>| attempt(call(record.key, record.value));
        self.call((name.into(), "flat-map-async"), options, true, begin, |context, record, pairs, children| {
            for (key, value) in pairs {
                let (timestamp, headers) = (record.timestamp, record.headers.clone());
                children.push(context, Record { key, value, timestamp, headers })?;
            }
            Ok(())
        })
    }

    /// Processes each record by an asynchronous call, which gets the record with its timestamp and headers, and returns the
    /// records to forward. These should not be older than it: time may have passed them. A grouping or join after it needs a
    /// repartition topic. All else is as with [`Stream::map_async`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .process_async("reminders", AsyncOptions::new(32), |record: Record<String, i64>| async move {
    ///             let later = Record { timestamp: record.timestamp + record.value, ..record.clone() };
    ///             Ok::<_, std::io::Error>(vec![record, later])
    ///         })
    ///         .to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 60, 5);
    /// let times: Vec<_> = driver.records(&output).iter().map(|record| record.timestamp).collect();
    /// assert_eq!(times, [5, 65]);
    /// ```
    pub fn process_async<L, W, I, E, F>(
        &self,
        name: impl Into<Arc<str>>,
        options: AsyncOptions,
        call: impl Fn(Record<K, V>) -> F + Send + Sync + 'static,
    ) -> Stream<L, W>
    where
        L: Clone + 'static,
        W: Clone + 'static,
        I: IntoIterator<Item = Record<L, W>> + Send + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<I, E>> + Send + 'static,
    {
        let begin = move |record: Record<K, V>| attempt(call(record));
        self.call((name.into(), "process-async"), options, true, begin, |context, _, records, children| {
            records.into_iter().try_for_each(|record| children.push(context, record))
        })
    }

    fn call<L: Clone + 'static, W: Clone + 'static, R: Send + 'static>(
        &self,
        (name, operator): (Arc<str>, &'static str),
        options: AsyncOptions,
        key_changed: bool,
        begin: impl Fn(Record<K, V>) -> Attempt<R> + Send + Sync + 'static,
        forward: impl Fn(&mut Context<'_>, Record<K, V>, R, &Tee<L, W>) -> Result<(), ProcessError> + 'static,
    ) -> Stream<L, W> {
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.named_node(name.clone(), NodeKind::Processor(operator), &[self.node]);
        if options.concurrency == 0 || options.retry.attempts == 0 {
            graph.errors.push(format!("{operator} {name}: concurrency and attempts must be at least 1"));
        }
        let stream = Stream::new(&self.builder, node, self.key_changed || key_changed);
        let children = stream.children.clone();
        let forward = move |context: &mut Context<'_>, record, result| forward(context, record, result, &children);
        let calls = Rc::new(Calls::new(node.0, options, begin, forward));
        graph.wait_for(node, calls.clone());
        drop(graph);
        self.children.add(node.0, move |context, record| calls.add(context, record));
        stream
    }
}

fn attempt<R, E: Into<BoxError>>(call: impl Future<Output = Result<R, E>> + Send + 'static) -> Attempt<R> {
    Box::pin(async move { call.await.map_err(Into::into) })
}
