use std::hash::Hash;
use std::rc::Rc;

use super::super::cogroup::CogroupedStream;
use super::super::{Change, Emit, Stream, Table};
use super::{AlignedWindows, Merging, Windows};
use crate::state::Store;
use crate::window::{SessionWindows, Windowed};

/// Grouped streams of different values that are aggregated together for each key and window.
///
/// Time is the task's, not a stream's: a record of one stream closes windows for the others. A record of which all windows are
/// closed changes nothing, and is counted as late for the node of the aggregate. What else holds for
/// [`WindowedStream`](super::WindowedStream) holds here.
pub struct WindowedCogroupedStream<K, A, W> {
    cogrouped: CogroupedStream<K, A>,
    windows: W,
    emit: Emit,
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> CogroupedStream<K, A> {
    /// Groups the records of a key, of all streams, by the windows that their timestamps fall into:
    /// [`TimeWindows`](crate::window::TimeWindows), [`SlidingWindows`](crate::window::SlidingWindows) or [`SessionWindows`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (sales, visits) = (Topic::<_, i64>::new("sales", Utf8, Be64), Topic::new("visits", Utf8, Utf8));
    /// # let output = Topic::<_, (i64, u32)>::new("out", TimeWindowed::new(Utf8, 10), Json);
    /// # let (s, v, o) = (sales.clone(), visits.clone(), output.clone());
    /// let windows = TimeWindows::tumbling(Duration::from_millis(10)).grace(Duration::from_millis(5));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let (sales, visits) = (b.stream(&s).group_by_key(), b.stream(&v).group_by_key());
    ///     sales
    ///         .cogroup(|_, amount, (total, _): &mut (i64, u32)| *total += amount)
    ///         .cogroup(&visits, |_, _page, (_, count)| *count += 1)
    ///         .windowed_by(windows)
    ///         .aggregate(Store::new("customers", Utf8, Json), || (0, 0))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&visits, "ann".to_string(), "home".to_string(), 1);
    /// driver.pipe(&sales, "ann".to_string(), 5, 12);
    /// driver.pipe(&sales, "ann".to_string(), 6, 9);
    /// driver.pipe(&sales, "ann".to_string(), 7, 15);
    /// driver.pipe(&visits, "ann".to_string(), "home".to_string(), 8); // late: 10 + 5 is reached
    /// let results: Vec<_> = driver.entries(&output).into_iter().map(|(k, v)| (k.window.start, v.unwrap())).collect();
    /// assert_eq!(results, [(0, (0, 1)), (10, (5, 0)), (0, (6, 1)), (10, (12, 0))]);
    /// assert_eq!(driver.late().values().sum::<u64>(), 1);
    /// ```
    pub fn windowed_by<W: Windows>(self, windows: W) -> WindowedCogroupedStream<K, A, W> {
        WindowedCogroupedStream { cogrouped: self, windows, emit: Emit::OnUpdate }
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static, W: Windows> WindowedCogroupedStream<K, A, W> {
    /// The same, passing on results at another time than with each update; see [`Emit`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (sales, output) = (Topic::<_, i64>::new("sales", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (s, o) = (sales.clone(), output.clone());
    /// # let windows = TimeWindows::tumbling(Duration::from_millis(10));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windowed = b.stream(&s).group_by_key().cogroup(|_, amount, sum| *sum += amount).windowed_by(windows);
    ///     windowed.emit(Emit::OnWindowClose).aggregate(Store::new("sums", Utf8, Be64), || 0).to_stream().to(&o)
    /// });
    /// for (amount, timestamp) in [(1, 0), (2, 9), (4, 10)] {
    ///     driver.pipe(&sales, "ann".to_string(), amount, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [3]);
    /// ```
    pub fn emit(self, emit: Emit) -> Self {
        WindowedCogroupedStream { emit, ..self }
    }

    fn fold(self, store: Store<K, A>, init: Rc<dyn Fn() -> A>, merging: Merging<K, A>) -> Table<Windowed<K>, A> {
        let changes: Stream<Windowed<K>, Change<A>> = self.cogrouped.changes("windowed-cogroup");
        let fold = Rc::new(self.windows.open(&changes, store, self.emit, merging));
        self.cogrouped.fold(fold, &changes, init, None)
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static, W: AlignedWindows> WindowedCogroupedStream<K, A, W> {
    /// The aggregate of each key and window, begun with `init()`, as a table. See [`CogroupedStream::windowed_by`] for an
    /// example.
    pub fn aggregate(self, store: Store<K, A>, init: impl Fn() -> A + 'static) -> Table<Windowed<K>, A> {
        self.fold(store, Rc::new(init), Merging::never())
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> WindowedCogroupedStream<K, A, SessionWindows> {
    /// The aggregate of each key and session, begun with `init()`, as a table; `merger` adds to one what another session holds.
    ///
    /// A record that joins or extends sessions yields null for each of them first, then the session that they have become, without
    /// headers.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (sales, visits) = (Topic::<_, i64>::new("sales", Utf8, Be64), Topic::new("visits", Utf8, Utf8));
    /// # let output = Topic::<_, i64>::new("out", SessionWindowed(Utf8), Be64);
    /// # let (s, v, o) = (sales.clone(), visits.clone(), output.clone());
    /// let sessions = SessionWindows::inactivity_gap(Duration::from_millis(10)).grace(Duration::from_millis(50));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let (sales, visits) = (b.stream(&s).group_by_key(), b.stream(&v).group_by_key());
    ///     sales
    ///         .cogroup(|_, amount, sum| *sum += amount)
    ///         .cogroup(&visits, |_, _page, sum| *sum += 1)
    ///         .windowed_by(sessions)
    ///         .aggregate(Store::new("sums", Utf8, Be64), || 0, |_, sum, more| *sum += more)
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&sales, "ann".to_string(), 10, 0);
    /// driver.pipe(&sales, "ann".to_string(), 20, 15);
    /// driver.pipe(&visits, "ann".to_string(), "home".to_string(), 8); // joins the others
    /// let sessions: Vec<_> = driver.entries(&output).into_iter().map(|(k, v)| (k.window.start, k.window.end, v)).collect();
    /// assert_eq!(sessions, [(0, 0, Some(10)), (15, 15, Some(20)), (0, 0, None), (15, 15, None), (0, 15, Some(31))]);
    /// ```
    pub fn aggregate(
        self,
        store: Store<K, A>,
        init: impl Fn() -> A + 'static,
        merger: impl Fn(&K, &mut A, A) + 'static,
    ) -> Table<Windowed<K>, A> {
        let init: Rc<dyn Fn() -> A> = Rc::new(init);
        let begin = init.clone();
        self.fold(store, init, Merging::new(move || Some(begin()), merger))
    }
}
