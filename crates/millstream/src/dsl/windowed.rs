use std::hash::Hash;

use super::late::Late;
use super::{Change, GroupedStream, Stream, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::{Store, WindowStore};
use crate::window::{TimeWindows, Windowed};

/// A grouped stream whose keys are aggregated for each window on its own.
///
/// A record that comes when its window is closed (stream time has reached the window's end plus the grace) changes
/// nothing: it is counted as late for this node, and goes to [`WindowedStream::late`].
pub struct WindowedStream<K, V> {
    stream: Stream<K, V>,
    windows: TimeWindows,
    late: Late<K, V>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> GroupedStream<K, V> {
    /// Groups the records of a key by the window that their timestamp falls into.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let windows = TimeWindows::tumbling(Duration::from_millis(10)).grace(Duration::from_millis(5));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
    /// });
    /// for timestamp in [1, 12, 9, 15, 8] {
    ///     driver.pipe(&input, "a".to_string(), 0, timestamp); // the last is late: 10 + 5 is reached
    /// }
    /// let counts: Vec<_> = driver.entries(&output).into_iter().map(|(k, n)| (k.window.start, n.unwrap())).collect();
    /// assert_eq!(counts, [(0, 1), (10, 1), (0, 2), (10, 2)]);
    /// ```
    pub fn windowed_by(&self, windows: TimeWindows) -> WindowedStream<K, V> {
        let stream = self.stream.then("windowed-by", false, |context, record, children| children.push(context, record));
        let late = Late::of(stream.node);
        WindowedStream { stream, windows, late }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> WindowedStream<K, V> {
    /// The records that came too late for every window of theirs, as they were.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, late) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("late", Utf8, Be64));
    /// # let (i, l) = (input.clone(), late.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windowed = b.stream(&i).group_by_key().windowed_by(TimeWindows::tumbling(Duration::from_millis(10)));
    ///     windowed.count(Store::new("counts", Utf8, Be64));
    ///     windowed.late().to(&l)
    /// });
    /// for (value, timestamp) in [(1, 1), (2, 12), (3, 9)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&late), [3]);
    /// ```
    pub fn late(&self) -> Stream<K, V> {
        self.late.stream(&self.stream.builder, self.stream.key_changed)
    }

    /// Counts the records of each key and window. See [`GroupedStream::windowed_by`] for an example.
    pub fn count(&self, store: Store<K, i64>) -> Table<Windowed<K>, i64> {
        self.fold("windowed-count", store, |_, _, count| *count.get_or_insert(0) += 1)
    }

    /// Combines the values of each key and window: `reducer(so far, next)`; the first value is taken as it is.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// # let windows = TimeWindows::tumbling(Duration::from_millis(10));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let sums = Store::new("sums", Utf8, Be64);
    ///     b.stream(&i).group_by_key().windowed_by(windows).reduce(sums, |a, b| a + b).to_stream().to(&o)
    /// });
    /// for (timestamp, value) in [(1, 3), (2, 4), (11, 5)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [3, 7, 5]);
    /// ```
    pub fn reduce(&self, store: Store<K, V>, reducer: impl Fn(&V, V) -> V + 'static) -> Table<Windowed<K>, V> {
        self.fold("windowed-reduce", store, move |_, value, so_far| {
            *so_far = Some(match so_far {
                Some(before) => reducer(before, value),
                None => value,
            });
        })
    }

    /// Folds the values of each key and window into an aggregate of another type.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, Vec<i64>>::new("out", TimeWindowed::new(Utf8, 10), Json));
    /// # let (i, o) = (input.clone(), output.clone());
    /// # let windows = TimeWindows::tumbling(Duration::from_millis(10));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let lists = Store::new("lists", Utf8, Json);
    ///     b.stream(&i)
    ///         .group_by_key()
    ///         .windowed_by(windows)
    ///         .aggregate(lists, Vec::new, |_, value: i64, list| list.push(value))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for (timestamp, value) in [(1, 3), (11, 5), (12, 4)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [vec![3], vec![5], vec![5, 4]]);
    /// ```
    pub fn aggregate<A: Clone + 'static>(
        &self,
        store: Store<K, A>,
        init: impl Fn() -> A + 'static,
        aggregator: impl Fn(&K, V, &mut A) + 'static,
    ) -> Table<Windowed<K>, A> {
        self.fold("windowed-aggregate", store, move |key, value, aggregate| {
            aggregator(key, value, aggregate.get_or_insert_with(&init));
        })
    }

    fn fold<A: Clone + 'static>(
        &self,
        operator: &'static str,
        store: Store<K, A>,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
    ) -> Table<Windowed<K>, A> {
        let (builder, windows, late) = (&self.stream.builder, self.windows, self.late.clone());
        builder.graph.borrow_mut().refuse_time_to_live(&store, "the rows of a window live until it is closed");
        let id = builder.graph.borrow_mut().store(&store.name);
        let store = WindowStore::new(id, store, windows);
        builder.graph.borrow_mut().set_store(id, store.erased());
        let changes =
            self.stream.then(operator, false, move |context, record, children: &Tee<Windowed<K>, Change<A>>| {
                let window = windows.window_at(record.timestamp);
                if windows.is_closed(window, context.stream_time()) {
                    return late.push(context, record);
                }
                let Record { key, value, timestamp, headers } = record;
                let (change, timestamp) = store.update(&key, window, |aggregate, time| {
                    let old = aggregate.clone();
                    step(&key, value, aggregate);
                    *time = timestamp.max(*time);
                    (Change { old, new: aggregate.clone() }, *time)
                });
                children.push(context, Record { key: Windowed { key, window }, value: change, timestamp, headers })
            });
        builder.graph.borrow_mut().connect(id, changes.node);
        Table::new(builder, changes.node, changes.children, None)
    }
}
