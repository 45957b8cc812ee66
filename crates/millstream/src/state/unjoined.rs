use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::rows::Rows;
use super::{FlushError, StateStore, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError};

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

/// Records of a left or outer join that have met none of the other stream yet, until their windows are over. The
/// records themselves lie in their stream's window store.
///
/// In the changelog a key is the record's time in ms as eight bytes big-endian, a byte that is 1 for the left stream, and
/// the key's bytes, as Kafka Streams writes it; the value is four bytes: the number of the first such record among its
/// duplicates.
pub(crate) struct UnjoinedStore<K> {
    key: Arc<dyn Serde<K>>,
    /// When the window of a record of this time and side is over.
    over_at: Box<dyn Fn(JoinSide, Timestamp) -> Timestamp>,
    rows: RefCell<Rows<Unjoined<K>, u32>>,
    queue: RefCell<Queue<K>>,
}

/// All rows, and some that are gone, by when they are due.
struct Queue<K> {
    waiting: BTreeMap<(Timestamp, u64), Unjoined<K>>,
    /// What was taken out since the last commit.
    taken: Vec<((Timestamp, u64), Unjoined<K>)>,
    next: u64,
}

impl<K: Hash + Eq + 'static> UnjoinedStore<K> {
    pub(crate) fn new(
        key: Arc<dyn Serde<K>>,
        over_at: impl Fn(JoinSide, Timestamp) -> Timestamp + 'static,
    ) -> UnjoinedStore<K> {
        let queue = Queue { waiting: BTreeMap::new(), taken: Vec::new(), next: 0 };
        UnjoinedStore { key, over_at: Box::new(over_at), rows: RefCell::default(), queue: RefCell::new(queue) }
    }

    /// When the window of such a record is over.
    pub(crate) fn over_at(&self, side: JoinSide, timestamp: Timestamp) -> Timestamp {
        (self.over_at)(side, timestamp)
    }

    /// Has a record wait, of that number among its duplicates; later duplicates wait with it.
    pub(crate) fn wait(&self, unjoined: Unjoined<K>, number: u32) {
        let mut rows = self.rows.borrow_mut();
        if rows.get(&unjoined).is_none() {
            self.enqueue(unjoined.clone());
            let timestamp = unjoined.timestamp;
            rows.put(unjoined, Some(number), timestamp);
        }
    }

    /// The records have met one of the other stream: they wait no more.
    pub(crate) fn joined(&self, unjoined: Unjoined<K>) {
        let timestamp = unjoined.timestamp;
        self.rows.borrow_mut().put(unjoined, None, timestamp);
    }

    /// When [`UnjoinedStore::take_due`] is to be called next.
    pub(crate) fn due(&self) -> Timestamp {
        self.queue.borrow().waiting.first_key_value().map_or(Timestamp::MAX, |((due, _), _)| *due)
    }

    /// Takes out the records whose windows are over, each with the number of the first, in Kafka Streams' order: by time,
    /// right before left, by the key's bytes.
    pub(crate) fn take_due(&self, now: Timestamp) -> Result<Vec<(Unjoined<K>, u32)>, SerdeError> {
        let (mut rows, mut queue) = (self.rows.borrow_mut(), self.queue.borrow_mut());
        let mut due = Vec::new();
        while let Some(entry) = queue.waiting.first_entry()
            && entry.key().0 <= now
        {
            let (at, unjoined) = entry.remove_entry();
            // Those that met another meanwhile were left in the queue.
            if let Some(number) = rows.get(&unjoined).map(|(number, _)| *number) {
                rows.put(unjoined.clone(), None, unjoined.timestamp);
                let mut bytes = Vec::new();
                self.key.encode(&unjoined.key, &mut bytes)?;
                due.push((unjoined.clone(), number, bytes));
            }
            queue.taken.push((at, unjoined));
        }
        due.sort_by(|(a, _, a_bytes), (b, _, b_bytes)| {
            (a.timestamp, a.side, a_bytes).cmp(&(b.timestamp, b.side, b_bytes))
        });
        Ok(due.into_iter().map(|(unjoined, number, _)| (unjoined, number)).collect())
    }

    fn enqueue(&self, unjoined: Unjoined<K>) {
        let due = self.over_at(unjoined.side, unjoined.timestamp);
        let mut queue = self.queue.borrow_mut();
        let next = queue.next;
        queue.next += 1;
        queue.waiting.insert((due, next), unjoined);
    }
}

impl<K: Hash + Eq + 'static> StateStore for UnjoinedStore<K> {
    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let mut key_bytes = Vec::new();
        for (unjoined, number, timestamp) in self.rows.borrow().changed() {
            key_bytes.clear();
            key_bytes.extend_from_slice(&unjoined.timestamp.to_be_bytes());
            key_bytes.push((unjoined.side == JoinSide::Left).into());
            self.key.encode(&unjoined.key, &mut key_bytes)?;
            let number = number.map(|number| number.to_be_bytes());
            write(&key_bytes, number.as_ref().map(|bytes| &bytes[..]), timestamp)?;
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().commit();
        self.queue.borrow_mut().taken.clear();
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
        let queue = &mut *self.queue.borrow_mut();
        queue.waiting.extend(queue.taken.drain(..));
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let refused = || SerdeError::new("an unjoined record's key is a time, a side and a key, its value a number");
        let (timestamp, rest) = record.key.unwrap_or_default().split_first_chunk::<8>().ok_or_else(refused)?;
        let (side, key) = rest.split_first().ok_or_else(refused)?;
        let number = record.value.map(<[u8; 4]>::try_from).transpose().map_err(|_| refused())?;
        let side = if *side == 1 { JoinSide::Left } else { JoinSide::Right };
        let key = Rc::new(self.key.decode(key)?);
        let unjoined = Unjoined { timestamp: i64::from_be_bytes(*timestamp), side, key };
        if number.is_some() {
            self.enqueue(unjoined.clone());
        }
        let timestamp = unjoined.timestamp;
        self.rows.borrow_mut().restore(unjoined, number.map(u32::from_be_bytes), timestamp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::{JoinSide, StateStore, Unjoined, UnjoinedStore};
    use crate::serde::Utf8;

    fn store() -> UnjoinedStore<String> {
        UnjoinedStore::new(Arc::new(Utf8), |_, timestamp| timestamp + 10)
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
        store.joined(unjoined(Left, 1, "c"));
        let expected = [(2, Right, "z", 0), (2, Left, "a", 3), (2, Left, "b", 0)];
        assert_eq!(due(&store, 12), expected.map(|(time, side, key, number)| (time, side, key.to_string(), number)));
        assert!(due(&store, 12).is_empty());
        assert_eq!(store.due(), 19);
    }

    #[test]
    fn a_rollback_lets_them_wait_again() {
        let store = store();
        store.wait(unjoined(JoinSide::Left, 1, "a"), 0);
        store.wait(unjoined(JoinSide::Left, 2, "b"), 0);
        store.commit(0);
        assert_eq!(due(&store, 11).len(), 1);
        store.joined(unjoined(JoinSide::Left, 2, "b"));
        store.wait(unjoined(JoinSide::Left, 3, "c"), 0);
        store.rollback();
        assert_eq!(store.due(), 11);
        assert_eq!(due(&store, 100).len(), 2);
    }
}
