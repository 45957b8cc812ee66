use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::kept::KeyedRows;
use super::memory::{Measure, b_tree};
use super::rows::Rows;
use super::{FlushError, SnapshotCursor, StateStore, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError, Unit, append_key};

/// A stream of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum JoinSide {
    /// The one that is joined with the other. In Kafka Streams' order, right comes first.
    Right,
    /// The one whose method was called.
    Left,
}

/// The records of one stream, key and time.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Unjoined<K> {
    pub(crate) timestamp: Timestamp,
    pub(crate) side: JoinSide,
    pub(crate) key: Rc<K>,
}

impl<K> Clone for Unjoined<K> {
    fn clone(&self) -> Self {
        Unjoined { timestamp: self.timestamp, side: self.side, key: self.key.clone() }
    }
}

/// Records of a left or outer join that have met none of the other stream: they wait until their windows are over, and are
/// remembered when they were told of, so that they meet none afterwards. The records themselves lie in their stream's window
/// store, and what is said of them here goes when they go there.
///
/// In the changelog a key is the record's time in ms as eight bytes big-endian, a byte that is 1 for the left stream, and
/// the key's bytes, as Kafka Streams writes it; the value is four bytes, the number of the first such record among its
/// duplicates, and a byte that is 1 once it was told of.
pub(crate) struct UnjoinedStore<K> {
    key: Arc<dyn Serde<K>>,
    bounds: Box<dyn Bounds>,
    rows: RefCell<Rows<Unjoined<K>, State>>,
    queues: RefCell<Queues<K>>,
    measure: Measure<K, ()>,
}

/// What a join says of its records' times.
pub(crate) trait Bounds {
    /// When the window of a record of this time and side is over.
    fn over_at(&self, side: JoinSide, timestamp: Timestamp) -> Timestamp;

    /// The window store of this side drops records before this time, at a commit at that stream time.
    fn expired_before(&self, side: JoinSide, stream_time: Timestamp) -> Timestamp;
}

/// What is known of unjoined records of one stream, key and time: from that number on, they wait or were told of.
#[derive(Clone, Copy)]
struct State {
    from: u32,
    told: bool,
}

impl State {
    fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.from.to_be_bytes();
        [a, b, c, d, self.told.into()]
    }
}

/// All rows, and some that are gone.
struct Queues<K> {
    /// Those that wait, by when they are due.
    waiting: Queue<K>,
    /// Those that were told of, by their time: right, left.
    told: [Queue<K>; 2],
    /// What was taken out since the last commit.
    taken: Vec<Taken<K>>,
    next: u64,
}

type Queue<K> = BTreeMap<(Timestamp, u64), Unjoined<K>>;

/// An entry of a queue that was taken out, and of which.
struct Taken<K> {
    told: Option<JoinSide>,
    at: (Timestamp, u64),
    unjoined: Unjoined<K>,
}

impl<K> Queues<K> {
    /// The queue of those that wait, or of those of a side that were told of.
    fn queue(&mut self, told: Option<JoinSide>) -> &mut Queue<K> {
        match told {
            None => &mut self.waiting,
            Some(side) => &mut self.told[side as usize],
        }
    }

    fn add(&mut self, told: Option<JoinSide>, at: Timestamp, unjoined: Unjoined<K>) {
        let number = self.next;
        self.next += 1;
        self.queue(told).insert((at, number), unjoined);
    }

    /// Takes out the first of a queue if it is not after `until`.
    fn take(&mut self, told: Option<JoinSide>, until: Timestamp) -> Option<Unjoined<K>> {
        let entry = self.queue(told).first_entry().filter(|entry| entry.key().0 <= until)?;
        let (at, unjoined) = entry.remove_entry();
        self.taken.push(Taken { told, at, unjoined: unjoined.clone() });
        Some(unjoined)
    }
}

impl<K: Hash + Eq + 'static> UnjoinedStore<K> {
    pub(crate) fn new(key: Arc<dyn Serde<K>>, bounds: impl Bounds + 'static) -> UnjoinedStore<K> {
        let queues = Queues { waiting: Queue::new(), told: Default::default(), taken: Vec::new(), next: 0 };
        let (bounds, queues) = (Box::new(bounds), RefCell::new(queues));
        let measure = Measure::new(key.clone(), Arc::new(Unit));
        UnjoinedStore { key, bounds, rows: RefCell::default(), queues, measure }
    }

    /// When the window of such a record is over.
    pub(crate) fn over_at(&self, side: JoinSide, timestamp: Timestamp) -> Timestamp {
        self.bounds.over_at(side, timestamp)
    }

    /// Has a record wait, of that number among its duplicates; later duplicates wait with it.
    pub(crate) fn wait(&self, unjoined: Unjoined<K>, from: u32) {
        self.add(unjoined, State { from, told: false });
    }

    /// Remembers that a record was told of when it came.
    pub(crate) fn told(&self, unjoined: Unjoined<K>, from: u32) {
        self.add(unjoined, State { from, told: true });
    }

    fn add(&self, unjoined: Unjoined<K>, state: State) {
        let mut rows = self.rows.borrow_mut();
        if rows.get(&unjoined).is_none() {
            self.enqueue(&unjoined, state);
            let timestamp = unjoined.timestamp;
            rows.put(unjoined, Some(state), timestamp);
        }
    }

    /// A record of the other stream meets the one of that number: whether they are joined, as it was not told of. Then it
    /// waits no more.
    pub(crate) fn join(&self, unjoined: Unjoined<K>, number: u32) -> bool {
        let mut rows = self.rows.borrow_mut();
        match rows.get(&unjoined).map(|(state, _)| *state) {
            Some(State { from, told }) if number >= from => {
                if !told {
                    let timestamp = unjoined.timestamp;
                    rows.put(unjoined, None, timestamp);
                }
                !told
            }
            _ => true,
        }
    }

    /// When [`UnjoinedStore::take_due`] is to be called next.
    pub(crate) fn due(&self) -> Timestamp {
        self.queues.borrow().waiting.first_key_value().map_or(Timestamp::MAX, |((due, _), _)| *due)
    }

    /// The records whose windows are over, each with the number of the first, in Kafka Streams' order: by time, right before
    /// left, by the key's bytes. From now on they were told of.
    pub(crate) fn take_due(&self, now: Timestamp) -> Result<Vec<(Unjoined<K>, u32)>, SerdeError> {
        let (mut rows, mut queues) = (self.rows.borrow_mut(), self.queues.borrow_mut());
        let mut due = Vec::new();
        while let Some(unjoined) = queues.take(None, now) {
            // Those that met another meanwhile were left in the queue.
            let Some((State { from, told: false }, _)) = rows.get(&unjoined) else { continue };
            let (from, timestamp) = (*from, unjoined.timestamp);
            rows.put(unjoined.clone(), Some(State { from, told: true }), timestamp);
            queues.add(Some(unjoined.side), timestamp, unjoined.clone());
            let mut bytes = Vec::new();
            append_key(&*self.key, &unjoined.key, &mut bytes)?;
            due.push((unjoined, from, bytes));
        }
        due.sort_by(|(a, _, a_bytes), (b, _, b_bytes)| {
            (a.timestamp, a.side, a_bytes).cmp(&(b.timestamp, b.side, b_bytes))
        });
        Ok(due.into_iter().map(|(unjoined, from, _)| (unjoined, from)).collect())
    }

    fn enqueue(&self, unjoined: &Unjoined<K>, state: State) {
        let Unjoined { timestamp, side, .. } = *unjoined;
        let (told, at) = if state.told { (Some(side), timestamp) } else { (None, self.over_at(side, timestamp)) };
        self.queues.borrow_mut().add(told, at, unjoined.clone());
    }

    /// What a key has on the heap: it is counted, and often shared with the stream's records.
    fn heap(&self, key: &Rc<K>) -> usize {
        if Rc::strong_count(key) > 4 { 0 } else { 16 + size_of::<K>() + self.measure.key(key) }
    }

    fn encode_key(&self, unjoined: &Unjoined<K>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        out.extend_from_slice(&unjoined.timestamp.to_be_bytes());
        out.push((unjoined.side == JoinSide::Left).into());
        append_key(&*self.key, &unjoined.key, out)
    }

    /// Deletes what is said of records that leave their window store with this commit.
    fn expire(&self, stream_time: Timestamp) {
        let (mut rows, mut queues) = (self.rows.borrow_mut(), self.queues.borrow_mut());
        for side in [JoinSide::Right, JoinSide::Left] {
            let until = self.bounds.expired_before(side, stream_time).saturating_sub(1);
            while let Some(unjoined) = queues.take(Some(side), until) {
                let timestamp = unjoined.timestamp;
                rows.put(unjoined, None, timestamp);
            }
        }
    }
}

impl<K: Hash + Eq + 'static> StateStore for UnjoinedStore<K> {
    fn options(&self) -> Option<&StoreOptions> {
        None
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.key.check_writable()
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        self.expire(stream_time);
        let mut key_bytes = Vec::new();
        for (unjoined, state, timestamp) in self.rows.borrow().changed() {
            self.encode_key(unjoined, &mut key_bytes)?;
            let value = state.map(|state| state.to_bytes());
            write(&key_bytes, value.as_ref().map(|bytes| &bytes[..]), timestamp)?;
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().commit(|unjoined, _| self.heap(&unjoined.key));
        self.queues.borrow_mut().taken.clear();
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
        let mut queues = self.queues.borrow_mut();
        for Taken { told, at, unjoined } in std::mem::take(&mut queues.taken) {
            queues.queue(told).insert(at, unjoined);
        }
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let mut key_bytes = Vec::new();
        self.rows.borrow().committed(cursor, rows_max, &mut |unjoined, state, timestamp| {
            self.encode_key(unjoined, &mut key_bytes)?;
            write(&key_bytes, Some(&state.to_bytes()), timestamp)?;
            Ok(1)
        })
    }

    fn size(&self) -> StoreSize {
        let (mut size, queues) = (self.rows.borrow().size(), self.queues.borrow());
        let queued = [queues.waiting.len(), queues.told[0].len(), queues.told[1].len()];
        size.bytes += queued.map(b_tree::<((Timestamp, u64), Unjoined<K>)>).into_iter().sum::<u64>();
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let refused = || SerdeError::new("an unjoined record's key is a time, a side and a key; its value five bytes");
        let (timestamp, rest) = record.key.unwrap_or_default().split_first_chunk::<8>().ok_or_else(refused)?;
        let (side, key) = rest.split_first().ok_or_else(refused)?;
        let value = record.value.map(<[u8; 5]>::try_from).transpose().map_err(|_| refused())?;
        let state = value.map(|[a, b, c, d, told]| State { from: u32::from_be_bytes([a, b, c, d]), told: told == 1 });
        let side = if *side == 1 { JoinSide::Left } else { JoinSide::Right };
        let key = Rc::new(self.key.decode(key)?);
        let unjoined = Unjoined { timestamp: i64::from_be_bytes(*timestamp), side, key };
        if let Some(state) = state {
            self.enqueue(&unjoined, state);
        }
        let (timestamp, heap) = (unjoined.timestamp, self.heap(&unjoined.key));
        self.rows.borrow_mut().restore(unjoined, state, timestamp, heap);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::{Bounds, JoinSide, StateStore, Unjoined, UnjoinedStore};
    use crate::serde::Utf8;

    struct TenAndHundred;

    impl Bounds for TenAndHundred {
        fn over_at(&self, _side: JoinSide, timestamp: i64) -> i64 {
            timestamp + 10
        }

        fn expired_before(&self, _side: JoinSide, stream_time: i64) -> i64 {
            stream_time - 100
        }
    }

    fn store() -> UnjoinedStore<String> {
        UnjoinedStore::new(Arc::new(Utf8), TenAndHundred)
    }

    /// Flushes and commits; returns how many rows and how many tombstones were written.
    fn commit(store: &UnjoinedStore<String>, stream_time: i64) -> (usize, usize) {
        let (mut rows, mut tombstones) = (0, 0);
        let flushed = store.flush(stream_time, &mut |_, value, _| {
            *(if value.is_some() { &mut rows } else { &mut tombstones }) += 1;
            Ok(())
        });
        flushed.unwrap();
        store.commit(stream_time);
        (rows, tombstones)
    }

    fn unjoined(side: JoinSide, timestamp: i64, key: &str) -> Unjoined<String> {
        Unjoined { timestamp, side, key: Rc::new(key.to_string()) }
    }

    fn due(store: &UnjoinedStore<String>, now: i64) -> Vec<(i64, JoinSide, String, u32)> {
        let due = store.take_due(now).unwrap().into_iter();
        due.map(|(of, number)| (of.timestamp, of.side, of.key.to_string(), number)).collect()
    }

    #[test]
    fn what_is_due_comes_in_order_and_once() {
        use JoinSide::{Left, Right};
        let store = store();
        for (side, timestamp, key, number) in [
            (Left, 2, "b", 0),
            (Left, 2, "a", 3),
            (Left, 2, "a", 4),
            (Right, 2, "z", 0),
            (Left, 1, "c", 0),
            (Left, 9, "d", 0),
        ] {
            store.wait(unjoined(side, timestamp, key), number);
        }
        assert!(store.join(unjoined(Left, 1, "c"), 0));
        let expected = [(2, Right, "z", 0), (2, Left, "a", 3), (2, Left, "b", 0)];
        assert_eq!(due(&store, 12), expected.map(|(time, side, key, number)| (time, side, key.to_string(), number)));
        assert!(due(&store, 12).is_empty());
        assert_eq!(store.due(), 19);
        assert!(!store.join(unjoined(Left, 2, "a"), 3), "it was told of");
        assert!(store.join(unjoined(Left, 2, "a"), 2), "an earlier duplicate had met another");
    }

    #[test]
    fn what_was_told_of_is_forgotten_when_it_expires() {
        let store = store();
        store.wait(unjoined(JoinSide::Left, 1, "a"), 0);
        store.told(unjoined(JoinSide::Right, 2, "b"), 0);
        assert_eq!(commit(&store, 5), (2, 0));
        assert_eq!(due(&store, 11).len(), 1);
        assert_eq!(commit(&store, 11), (1, 0));
        assert_eq!(commit(&store, 102), (0, 1));
        assert!(store.join(unjoined(JoinSide::Left, 1, "a"), 0));
        assert!(!store.join(unjoined(JoinSide::Right, 2, "b"), 0));
        assert_eq!(commit(&store, 103), (0, 1));
        assert_eq!(commit(&store, 1000), (0, 0));
    }

    #[test]
    fn a_rollback_lets_them_wait_again() {
        let store = store();
        store.wait(unjoined(JoinSide::Left, 1, "a"), 0);
        store.wait(unjoined(JoinSide::Left, 2, "b"), 0);
        commit(&store, 0);
        assert_eq!(due(&store, 11).len(), 1);
        store.join(unjoined(JoinSide::Left, 2, "b"), 0);
        store.wait(unjoined(JoinSide::Left, 3, "c"), 0);
        store.rollback();
        assert_eq!(store.due(), 11);
        assert_eq!(due(&store, 100).len(), 2);
    }
}
