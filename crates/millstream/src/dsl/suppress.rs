use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use super::{Change, Stream, Table};
use crate::processor::{Context, ProcessError, PunctuationType};
use crate::record::{Record, Timestamp};
use crate::state::{Buffered, Store, SuppressBuffer};
use crate::topology::NodeKind;
use crate::window::Windowed;

/// How much a [suppress](Table::suppress) buffer may hold, and what happens when that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    records: u64,
    bytes: u64,
    emits_early: bool,
}

impl Bound {
    /// As much as there is memory for.
    pub fn unbounded() -> Self {
        Bound { records: u64::MAX, bytes: u64::MAX, emits_early: false }
    }

    /// At most so many keys. Exceeding it is an error of the record, unless [`Bound::emit_early`] says otherwise.
    pub fn records(records: u64) -> Self {
        Bound { records, ..Bound::unbounded() }
    }

    /// At most so many bytes of keys, values and headers, as the buffer's serdes write them. Exceeding it is an error of the
    /// record, unless [`Bound::emit_early`] says otherwise.
    pub fn bytes(bytes: u64) -> Self {
        Bound { bytes, ..Bound::unbounded() }
    }

    /// The same, and at most so many bytes.
    pub fn and_bytes(self, bytes: u64) -> Self {
        Bound { bytes, ..self }
    }

    /// When it is exceeded, what has waited longest is passed on early (Kafka Streams' `emitEarlyWhenFull`).
    pub fn emit_early(self) -> Self {
        Bound { emits_early: true, ..self }
    }

    /// When it is exceeded, the record fails (Kafka Streams' `shutDownWhenFull`).
    pub fn fail(self) -> Self {
        Bound { emits_early: false, ..self }
    }
}

/// Until when a table's changes are held back; see [`Table::suppress`].
#[derive(Debug)]
pub struct Suppressed<K> {
    until: Until<K>,
    bound: Bound,
}

#[derive(Debug)]
enum Until<K> {
    /// Until a time of the key, the end of its window, and the windows' grace are over.
    WindowCloses(fn(&K) -> Timestamp),
    /// So many ms from the key's first change on.
    TimeLimit(i64),
}

impl<K> Suppressed<Windowed<K>> {
    /// Until stream time reaches the window's end plus its grace: one result a key and window. (Of sessions plus the gap, too.)
    /// Deletions are dropped. A bound that emits early is an error of the topology: its results would not be final.
    pub fn until_window_closes(bound: Bound) -> Self {
        Suppressed { until: Until::WindowCloses(|key| key.window.end), bound }
    }
}

impl<K> Suppressed<K> {
    /// Until stream time is `limit` (whole ms) past the time of the key's first change that is held back.
    pub fn until_time_limit(limit: Duration, bound: Bound) -> Self {
        Suppressed { until: Until::TimeLimit(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)), bound }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// The same table with fewer changes: each key's are held back, in `buffer`, and the last one is passed on when its time has
    /// come, with the time and the headers of its record. Its old value is what was passed on before.
    ///
    /// Keys whose time has come together go by that time and by the keys' bytes. A change that comes late is held back as any
    /// other, and goes at once if its time is over. A deletion (null) takes the place of what it deletes.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let windows = TimeWindows::tumbling(Duration::from_millis(10)).grace(Duration::from_millis(5));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let counts = b.stream(&i).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64));
    ///     let buffer = Store::new("final-counts", TimeWindowed::new(Utf8, 10), Be64);
    ///     counts.suppress(Suppressed::until_window_closes(Bound::unbounded()), buffer).to_stream().to(&o)
    /// });
    /// for timestamp in [1, 12, 9, 14] {
    ///     driver.pipe(&input, "a".to_string(), 0, timestamp);
    /// }
    /// assert!(driver.values(&output).is_empty());
    /// driver.pipe(&input, "a".to_string(), 0, 15);
    /// assert_eq!(driver.values(&output), [2]);
    /// ```
    ///
    /// At most one change of a key in 100 ms, for at most 1000 keys at once:
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let limit = Suppressed::until_time_limit(Duration::from_millis(100), Bound::records(1000).emit_early());
    ///     let counts = b.stream(&i).group_by_key().count(Store::new("counts", Utf8, Be64));
    ///     counts.suppress(limit, Store::new("rare-counts", Utf8, Be64)).to_stream().to(&o)
    /// });
    /// for timestamp in [0, 50, 99, 100, 150] {
    ///     driver.pipe(&input, "a".to_string(), 0, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [4]);
    /// ```
    pub fn suppress(&self, suppressed: Suppressed<K>, buffer: Store<K, V>) -> Table<K, V> {
        let Suppressed { until, bound } = suppressed;
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.node(NodeKind::Processor("suppress"), &[self.node]);
        let windows = graph.windows_of(self.node);
        let (wait_ms, holds_ms) = match (&until, windows) {
            (Until::TimeLimit(limit_ms), _) => (*limit_ms, *limit_ms),
            (Until::WindowCloses(_), Some(w)) => (w.grace_ms, w.span_ms.saturating_add(w.grace_ms)),
            (Until::WindowCloses(_), None) => {
                let parent = graph.name(self.node);
                graph.errors.push(format!("suppress until_window_closes() after {parent}: its windows are not known"));
                (0, 0)
            }
        };
        if let (Until::WindowCloses(_), true) = (&until, bound.emits_early) {
            let name = &buffer.name;
            let error =
                format!("suppress with buffer {name}: results that are emitted early are not final; use fail()");
            graph.errors.push(error);
        }
        graph.refuse_time_to_live(&buffer, "a row of a suppress buffer lives until it is pushed");
        let (id, name) = (graph.store(&buffer.name), buffer.name.clone());
        let buffer = Rc::new(SuppressBuffer::new(buffer));
        graph.set_store(id, buffer.clone());
        graph.connect(id, node);
        graph.uses_time(node, holds_ms);
        drop(graph);

        let stream: Stream<K, Change<V>> = Stream::new(&self.builder, node, false);
        let final_only = matches!(&until, Until::WindowCloses(_));
        let emit = {
            let (buffer, children) = (buffer.clone(), stream.children.clone());
            move |context: &mut Context<'_>| -> Result<bool, ProcessError> {
                let Some((key, row)) = buffer.take_first() else { return Ok(false) };
                let Buffered { prior, new, timestamp, headers, .. } = row;
                if new.is_some() || !final_only {
                    children.push(context, Record { key, value: Change { old: prior, new }, timestamp, headers })?;
                }
                Ok(true)
            }
        };
        let emit = Rc::new(emit);
        let emit_due = {
            let (buffer, emit) = (buffer.clone(), emit.clone());
            move |context: &mut Context<'_>, time: Timestamp| -> Result<(), ProcessError> {
                while buffer.first_time().is_some_and(|first| first.saturating_add(wait_ms) <= time) {
                    emit(context)?;
                }
                Ok(())
            }
        };
        let emit_due = Rc::new(emit_due);
        let due = {
            let buffer = buffer.clone();
            move || buffer.first_time().map_or(Timestamp::MAX, |first| first.saturating_add(wait_ms))
        };
        let alarm = emit_due.clone();
        let call = move |context: &mut Context<'_>, time| alarm(context, time);
        self.builder.graph.borrow_mut().alarm(node, PunctuationType::StreamTime, due, call);

        let process = move |context: &mut Context<'_>, record: Record<K, Change<V>>| -> Result<(), ProcessError> {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let time = match &until {
                Until::WindowCloses(end) => end(&key),
                Until::TimeLimit(_) => timestamp,
            };
            buffer.put(&key, time, (old, new), (timestamp, headers))?;
            let now = context.stream_time();
            emit_due(context, now)?;
            let full = || buffer.len() > bound.records || buffer.bytes() > bound.bytes;
            while full() {
                if !bound.emits_early {
                    return Err(full_error(&name, (buffer.len(), buffer.bytes()), bound));
                }
                if !emit(context)? {
                    break;
                }
            }
            Ok(())
        };
        self.children.add(node.0, process);
        Table::new(&self.builder, node, stream.children, None)
    }
}

fn full_error(buffer: &str, (records, bytes): (u64, u64), bound: Bound) -> ProcessError {
    let of = |most: u64| if most == u64::MAX { "any number".to_owned() } else { most.to_string() };
    ProcessError::new(format!(
        "the suppress buffer {buffer} is full: it holds {records} records of {} and {bytes} bytes of {}; allow more, or \
         emit_early()",
        of(bound.records),
        of(bound.bytes)
    ))
}
