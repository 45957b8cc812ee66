use std::hash::Hash;
use std::time::Duration;

use super::TopologyBuilder;
use crate::state::{SessionStore, Store, WindowStore};

impl TopologyBuilder {
    /// A store of windows of `size` for processors to use, each kept for `retention` from its start on (both whole ms); see
    /// [`Stream::process`](super::Stream::process). What is put last is the value, whatever its timestamp; a put into a window
    /// whose retention is over changes nothing, and says so.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// The largest of a key's values in the last three windows of 10 ms.
    /// struct Largest(WindowStore<String, i64>);
    ///
    /// impl Processor for Largest {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         let start = record.timestamp - record.timestamp.rem_euclid(10);
    ///         let so_far = self.0.get(&record.key, start).unwrap_or(record.value);
    ///         self.0.put(record.key.clone(), so_far.max(record.value), start, record.timestamp);
    ///         let mut largest = i64::MIN;
    ///         self.0.fetch(&record.key, start - 20..=start, |_, value, _| largest = largest.max(*value));
    ///         context.forward(record.with_value(largest))
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let (size, retention) = (Duration::from_millis(10), Duration::from_millis(30));
    ///     let windows = b.window_store(Store::new("largest", Utf8, Be64), size, retention);
    ///     b.stream(&i).process("largest", Largest(windows.clone()), &[&windows]).to(&o)
    /// });
    /// for (value, timestamp) in [(5, 1), (3, 12), (1, 31)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [5, 5, 3]);
    /// ```
    pub fn window_store<K, V>(&self, store: Store<K, V>, size: Duration, retention: Duration) -> WindowStore<K, V>
    where
        K: Hash + Eq + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        if retention < size {
            graph.errors.push(format!(
                "store {}: a retention of {retention:?} is below the windows' size of {size:?}: they would go before they end",
                store.name
            ));
        }
        graph.refuse_time_to_live(&store, "this kind has its retention");
        let id = graph.store(&store.name);
        let store = WindowStore::new(id, store, whole_ms(size), whole_ms(retention), graph.clock.clone());
        graph.set_store(id, store.erased());
        store
    }

    /// A store of sessions for processors to use, each kept for `retention` (whole ms) after its end; see
    /// [`Stream::process`](super::Stream::process). What is put last is the value; a session whose retention is over is not taken,
    /// and the put says so.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// How long the visit has been going on that a record belongs to; one ends with the value 0.
    /// struct Visits(SessionStore<String, i64>);
    ///
    /// impl Processor for Visits {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         let mut visit = Window { start: record.timestamp, end: record.timestamp };
    ///         let mut open = None;
    ///         self.0.find_sessions(&record.key, record.timestamp - 60, record.timestamp, |window, _| open = Some(window));
    ///         if let Some(open) = open {
    ///             self.0.remove(&record.key, open);
    ///             visit.start = open.start;
    ///         }
    ///         if record.value != 0 {
    ///             self.0.put(&record.key, visit, record.value);
    ///         }
    ///         context.forward(record.with_value(visit.end - visit.start))
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let visits = b.session_store(Store::new("visits", Utf8, Be64), Duration::from_millis(60));
    ///     b.stream(&i).process("visits", Visits(visits.clone()), &[&visits]).to(&o)
    /// });
    /// for (value, timestamp) in [(1, 10), (1, 30), (0, 50), (1, 70)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [0, 20, 40, 0]);
    /// ```
    pub fn session_store<K, V>(&self, store: Store<K, V>, retention: Duration) -> SessionStore<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        graph.refuse_time_to_live(&store, "this kind has its retention");
        let id = graph.store(&store.name);
        let store = SessionStore::new(id, store, whole_ms(retention), graph.clock.clone());
        graph.set_store(id, store.erased());
        store
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
