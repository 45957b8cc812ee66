use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::{Stream, TopologyBuilder};
use crate::processor::{Context, ProcessorContext, PunctuationType, TimerProcessor};
use crate::record::Timestamp;
use crate::serde::Serde;
use crate::state::{Connect, TimerStore};

impl TopologyBuilder {
    /// Timers of keys, which fire by that clock: a store, whose changelog is named after `name`. They fire for the processor
    /// that they are given to with [`Stream::process_with_timers`]; others may set and cancel them, if they are given to them
    /// as a store. A timer for a time that has come already, by a record out of order, fires at once.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Forwards a key 10 ms of stream time after each of its records.
    /// struct Echo(TimerStore<String>);
    ///
    /// impl Processor for Echo {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         _: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         self.0.set(record.key, record.timestamp + 10);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl TimerProcessor for Echo {
    ///     type TimerKey = String;
    ///
    ///     fn on_timer(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         timer: Timer<String>,
    ///         time: Timestamp,
    ///     ) -> Result<(), ProcessError> {
    ///         context.forward(Record::new(timer.key, time, timer.at))
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let timers = b.timers("echo", Utf8, PunctuationType::StreamTime);
    ///     b.stream(&i).process_with_timers("echo", Echo(timers.clone()), &timers, &[]).to(&o)
    /// });
    /// for (key, timestamp) in [("a", 0), ("b", 12), ("c", 1)] {
    ///     driver.pipe(&input, key.to_string(), 0, timestamp); // c comes late, and its time is over
    /// }
    /// let echoes: Vec<_> = driver.records(&output).into_iter().map(|record| (record.key, record.timestamp)).collect();
    /// assert_eq!(echoes, [("a".to_string(), 10), ("c".to_string(), 11)]);
    /// ```
    pub fn timers<K>(&self, name: impl Into<Arc<str>>, key: impl Serde<K>, kind: PunctuationType) -> TimerStore<K>
    where
        K: Hash + Eq + Clone + 'static,
    {
        let name = name.into();
        let mut graph = self.graph.borrow_mut();
        let id = graph.store(&name);
        let timers = TimerStore::new(id, name, key, kind, &graph.clock);
        graph.set_store(id, timers.erased());
        timers
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// As [`Stream::process`], with timers: when the time of one has come, [`TimerProcessor::on_timer`] is called, once, whatever
    /// restarts and aborts lie between. By stream time that is after the record that brought the time; by the wall clock, also
    /// without records.
    ///
    /// Timers fire in the order of their times, and those for one time in the order in which they were set. A record out of
    /// order may set a timer for a time that has come already: it fires after this record. One that `on_timer` sets for a time
    /// that has come fires after the next record, or the next time that the worker looks at the wall clock.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Says of a key that there was no record of it for 100 ms of stream time.
    /// struct Silence(TimerStore<String>);
    ///
    /// impl Processor for Silence {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         _: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         self.0.cancel(&record.key);
    ///         self.0.set(record.key, record.timestamp + 100);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl TimerProcessor for Silence {
    ///     type TimerKey = String;
    ///
    ///     fn on_timer(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         timer: Timer<String>,
    ///         _: Timestamp,
    ///     ) -> Result<(), ProcessError> {
    ///         context.forward(Record::new(timer.key, timer.at, timer.at))
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let timers = b.timers("silence", Utf8, PunctuationType::StreamTime);
    ///     b.stream(&i).process_with_timers("silence", Silence(timers.clone()), &timers, &[]).to(&o)
    /// });
    /// for (key, timestamp) in [("a", 0), ("b", 50), ("a", 90), ("c", 149), ("c", 200)] {
    ///     driver.pipe(&input, key.to_string(), 0, timestamp);
    /// }
    /// assert_eq!(driver.entries(&output), [("b".to_string(), Some(150)), ("a".to_string(), Some(190))]);
    /// ```
    pub fn process_with_timers<P>(
        &self,
        name: impl Into<Arc<str>>,
        processor: P,
        timers: &TimerStore<P::TimerKey>,
        stores: &[&dyn Connect],
    ) -> Stream<P::KeyOut, P::ValueOut>
    where
        P: TimerProcessor<KeyIn = K, ValueIn = V>,
        P::TimerKey: Hash + Eq,
    {
        let processor = Rc::new(processor);
        let stream = self.add_processor(name.into(), processor.clone(), stores);
        let mut graph = self.builder.graph.borrow_mut();
        graph.connect(timers.store_id(), stream.node);
        if !timers.take_ownership() {
            let (name, store) = (graph.name(stream.node), graph.store_name(timers.store_id()));
            graph.errors.push(format!(
                "processor {name}: timers {store} are given to two processors, and a timer fires for one; make others for it"
            ));
        }
        if timers.kind() == PunctuationType::StreamTime {
            graph.uses_time(stream.node, 0);
        }
        let due = timers.clone();
        let (children, timers) = (stream.children.clone(), timers.clone());
        let fire = move |context: &mut Context<'_>, time: Timestamp| {
            let mut context = ProcessorContext { context, children: &children };
            timers.fire(time, |timer| {
                // Event time may be called with one beyond all: then a timer's own has come.
                let time = match timers.kind() {
                    PunctuationType::StreamTime => timer.at.max(context.stream_time()),
                    PunctuationType::WallClock => time,
                };
                processor.on_timer(&mut context, timer, time)
            })
        };
        graph.alarm(stream.node, due.kind(), move || due.next_due(), fire);
        drop(graph);
        stream
    }
}
