//! Aggregations of windows, each kind of windows in its file.

mod cogroup;
mod session;
mod sliding;
mod time;

use std::hash::Hash;
use std::rc::Rc;

use super::fold::{Fold, fold_all};
use super::late::Late;
use super::{Change, Emit, GroupedStream, Stream, Table};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::{Headers, Record, Timestamp};
use crate::state::Store;
use crate::topology::NodeKind;
use crate::window::{SessionWindows, SlidingWindows, TimeWindows, Window, Windowed};

pub use cogroup::WindowedCogroupedStream;
pub(super) use session::SessionFold;
pub(super) use sliding::SlidingFold;
pub(super) use time::TimeFold;

/// Windows that records of a key are grouped by: [`TimeWindows`], [`SlidingWindows`] or [`SessionWindows`].
pub trait Windows: Copy + Sealed + 'static {
    /// What folds the values of each key and window.
    #[doc(hidden)]
    type Fold<K: Hash + Eq + Clone + 'static, A: Clone + 'static>: Fold<K, A>;

    /// Adds that and its store to the node of `changes`, to which it pushes.
    #[doc(hidden)]
    fn open<K, A>(
        self,
        changes: &Stream<Windowed<K>, Change<A>>,
        store: Store<K, A>,
        emit: Emit,
        merging: Merging<K, A>,
    ) -> Self::Fold<K, A>
    where
        K: Hash + Eq + Clone + 'static,
        A: Clone + 'static;
}

/// What makes one of what was folded apart; used for sessions.
pub struct Merging<K, A> {
    /// What each record's own session begins with.
    init: Box<dyn Fn() -> Option<A>>,
    merge: Box<Merge<K, A>>,
}

/// Adds to the first aggregate the second.
type Merge<K, A> = dyn Fn(&K, &mut A, A);

impl<K, A> Merging<K, A> {
    fn new(init: impl Fn() -> Option<A> + 'static, merge: impl Fn(&K, &mut A, A) + 'static) -> Self {
        Merging { init: Box::new(init), merge: Box::new(merge) }
    }

    /// For windows that are never merged.
    fn never() -> Self {
        Merging::new(|| None, |_, _, _| ())
    }
}

/// Windows that are never merged: [`TimeWindows`] and [`SlidingWindows`].
pub trait AlignedWindows: Windows {}

impl AlignedWindows for TimeWindows {}
impl AlignedWindows for SlidingWindows {}

/// Keeps [`Windows`] to the kinds there are.
pub trait Sealed {}

impl Sealed for TimeWindows {}
impl Sealed for SlidingWindows {}
impl Sealed for SessionWindows {}

/// A grouped stream whose keys are aggregated for each window on its own.
///
/// A record of which all windows are closed changes nothing: it is counted as late for this node, and goes to
/// [`WindowedStream::late`]. Older records count as any others while their windows are open; the time of a result is the largest
/// timestamp of its records, or the session's end. A null value is a value, and a repeated record counts again. Records with a
/// null key, where the key's serde reads it, are aggregated in each partition apart: filter them out first.
pub struct WindowedStream<K, V, W = TimeWindows> {
    stream: Stream<K, V>,
    windows: W,
    late: Late<K, V>,
    emit: Emit,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> GroupedStream<K, V> {
    /// Groups the records of a key by the windows that their timestamps fall into: [`TimeWindows`], [`SlidingWindows`] or
    /// [`SessionWindows`]. For late, null and repeated records see [`WindowedStream`].
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
    pub fn windowed_by<W: Windows>(&self, windows: W) -> WindowedStream<K, V, W> {
        let stream = self.stream.then("windowed-by", false, |context, record, children| children.push(context, record));
        let late = Late::of(stream.node);
        WindowedStream { stream, windows, late, emit: Emit::OnUpdate }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static, W: Windows> WindowedStream<K, V, W> {
    /// The same, passing on results at another time than with each update; see [`Emit`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// # let windows = TimeWindows::tumbling(Duration::from_millis(10));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windowed = b.stream(&i).group_by_key().windowed_by(windows).emit(Emit::OnWindowClose);
    ///     windowed.count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
    /// });
    /// for timestamp in [1, 2, 9] {
    ///     driver.pipe(&input, "a".to_string(), 0, timestamp);
    /// }
    /// assert!(driver.values(&output).is_empty());
    /// driver.pipe(&input, "b".to_string(), 0, 10);
    /// assert_eq!(driver.values(&output), [3]);
    /// ```
    pub fn emit(self, emit: Emit) -> Self {
        WindowedStream { emit, ..self }
    }

    /// The records that came too late for every window of theirs, as they were, in the order in which they came.
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

    /// Counts the records of each key and window, late and null ones as [`WindowedStream`] says. See [`GroupedStream::windowed_by`] for an example.
    pub fn count(&self, store: Store<K, i64>) -> Table<Windowed<K>, i64> {
        let step = |_: &K, _, count: &mut Option<i64>| *count.get_or_insert(0) += 1;
        self.fold("windowed-count", store, Merging::new(|| None, |_, count, more| *count += more), step)
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
        let reducer = Rc::new(reducer);
        let merge = reducer.clone();
        let step = move |_: &K, value, so_far: &mut Option<V>| {
            *so_far = Some(match so_far {
                Some(before) => reducer(before, value),
                None => value,
            });
        };
        let merging = Merging::new(|| None, move |_: &K, before: &mut V, value| *before = merge(before, value));
        self.fold("windowed-reduce", store, merging, step)
    }

    fn fold<A: Clone + 'static>(
        &self,
        operator: &'static str,
        store: Store<K, A>,
        merging: Merging<K, A>,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
    ) -> Table<Windowed<K>, A> {
        let builder = &self.stream.builder;
        let node = builder.graph.borrow_mut().node(NodeKind::Processor(operator), &[self.stream.node]);
        let changes = Stream::new(builder, node, self.stream.key_changed);
        let fold = Rc::new(self.windows.open(&changes, store, self.emit, merging));
        fold_all(&self.stream.children, fold, self.late.clone(), step);
        Table::new(builder, node, changes.children, None)
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static, W: AlignedWindows> WindowedStream<K, V, W> {
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
        let step = move |key: &K, value, aggregate: &mut Option<A>| {
            aggregator(key, value, aggregate.get_or_insert_with(&init));
        };
        self.fold("windowed-aggregate", store, Merging::never(), step)
    }
}

/// Why windows take no time to live.
const LIVES_UNTIL_CLOSED: &str = "the rows of a window live until it is closed";

/// What a record did to one window.
struct Update<A> {
    window: Window,
    old: Option<A>,
    new: Option<A>,
    timestamp: Timestamp,
}

/// Pushes what a record did, and leaves `updates` empty, to be used again.
fn push_updates<K: Clone, A: Clone>(
    context: &mut Context<'_>,
    key: &K,
    headers: &Headers,
    updates: &mut Vec<Update<A>>,
    children: &Tee<Windowed<K>, Change<A>>,
) -> Result<(), ProcessError> {
    for Update { window, old, new, timestamp } in updates.drain(..) {
        let key = Windowed { key: key.clone(), window };
        children.push(context, Record { key, value: Change { old, new }, timestamp, headers: headers.clone() })?;
    }
    Ok(())
}
