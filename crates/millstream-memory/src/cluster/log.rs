use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use millstream::broker::Waker;
use millstream::record::{Headers, Timestamp};

/// A record in a log.
pub(crate) struct StoredRecord {
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) headers: Headers,
}

/// A record handed to a reader: its offset, and the record itself.
pub(crate) type Handed = (i64, Arc<StoredRecord>);

/// One partition's log.
#[derive(Default)]
pub(crate) struct Log {
    /// By ascending offset, with gaps.
    entries: VecDeque<Entry>,
    start: i64,
    end: i64,
    /// For each producer with an open transaction here, its first offset.
    open: BTreeMap<u64, i64>,
    /// Readers that stand at the last stable offset, by their ids: the offset, and whom to wake once it has moved.
    waiting: BTreeMap<u64, (i64, Waker)>,
}

struct Entry {
    offset: i64,
    content: Content,
    /// For a tombstone, when it was first cleaned; it stays for a while longer, so that readers see it.
    cleaned_at: Option<Timestamp>,
}

enum Content {
    Committed(Arc<StoredRecord>),
    /// Part of the open transaction of this producer.
    Open(u64, Arc<StoredRecord>),
    Aborted,
    /// The end of a transaction, whichever: it takes an offset, and no reader sees it.
    Marker,
}

impl Log {
    /// The oldest offset that may be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset of the next record.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The first offset whose record has that timestamp or a later one.
    pub(crate) fn offset_at(&self, timestamp: Timestamp) -> Option<i64> {
        let mut later = self.entries.iter().filter(|entry| match &entry.content {
            Content::Committed(record) | Content::Open(_, record) => record.timestamp >= timestamp,
            Content::Aborted | Content::Marker => false,
        });
        later.next().map(|entry| entry.offset)
    }

    /// The last stable offset: up to here every transaction is ended.
    pub(crate) fn stable_end(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.end)
    }

    /// Appends a record, as part of a producer's open transaction if there is one. Readers to be woken go to `wakes`.
    pub(crate) fn append(&mut self, record: StoredRecord, transaction: Option<u64>, wakes: &mut Vec<Waker>) -> i64 {
        let (offset, record) = (self.end, Arc::new(record));
        let content = match transaction {
            Some(producer) => {
                self.open.entry(producer).or_insert(offset);
                Content::Open(producer, record)
            }
            None => Content::Committed(record),
        };
        self.push(content);
        self.wake(wakes);
        offset
    }

    /// Ends a producer's transaction with a marker.
    pub(crate) fn end_transaction(&mut self, producer: u64, commit: bool, wakes: &mut Vec<Waker>) {
        let Some(first) = self.open.remove(&producer) else {
            return;
        };
        let from = self.index_of(first);
        for entry in self.entries.range_mut(from..) {
            if let Content::Open(of, record) = &entry.content
                && *of == producer
            {
                entry.content = if commit { Content::Committed(record.clone()) } else { Content::Aborted };
            }
        }
        self.push(Content::Marker);
        self.wake(wakes);
    }

    /// Adds committed records from `position` on, up to `records_max`, to `into`; returns where a reader then stands.
    pub(crate) fn read(&self, position: i64, records_max: usize, into: &mut Vec<Handed>) -> i64 {
        let stable = self.stable_end();
        for entry in self.entries.range(self.index_of(position)..) {
            if into.len() == records_max {
                return entry.offset.min(stable).max(position);
            }
            if entry.offset >= stable {
                break;
            }
            if let Content::Committed(record) = &entry.content {
                into.push((entry.offset, record.clone()));
            }
        }
        stable.max(position)
    }

    /// Notes that a reader has read all there is: it is woken once there is more.
    pub(crate) fn wait(&mut self, reader: u64, position: i64, waker: Waker) {
        self.waiting.insert(reader, (position, waker));
    }

    pub(crate) fn forget(&mut self, reader: u64) {
        self.waiting.remove(&reader);
    }

    /// Deletes what lies before an offset.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        let offset = offset.min(self.end);
        self.start = self.start.max(offset);
        while self.entries.front().is_some_and(|entry| entry.offset < offset) {
            self.entries.pop_front();
        }
    }

    /// Deletes records from the front that are older than `oldest`.
    pub(crate) fn expire(&mut self, oldest: Timestamp) {
        let stable = self.stable_end();
        while let Some(entry) = self.entries.front() {
            let expired = match &entry.content {
                Content::Committed(record) | Content::Open(_, record) => record.timestamp < oldest,
                Content::Aborted | Content::Marker => true,
            };
            if !expired || entry.offset >= stable {
                break;
            }
            self.start = entry.offset + 1;
            self.entries.pop_front();
        }
    }

    /// Keeps the last record of each key; of what is not stable yet, everything. A tombstone goes too once it has been
    /// the last for `keep_tombstones_ms`.
    pub(crate) fn compact(&mut self, now: Timestamp, keep_tombstones_ms: i64) {
        let stable = self.stable_end();
        let mut last: HashMap<Option<Box<[u8]>>, i64> = HashMap::new();
        for entry in self.entries.iter().take_while(|entry| entry.offset < stable) {
            if let Content::Committed(record) = &entry.content {
                last.insert(record.key.clone(), entry.offset);
            }
        }
        self.entries.retain_mut(|entry| {
            if entry.offset >= stable {
                return true;
            }
            let Content::Committed(record) = &entry.content else {
                return false;
            };
            if last.get(&record.key) != Some(&entry.offset) {
                return false;
            }
            let cleaned_at = *entry.cleaned_at.get_or_insert(now);
            record.value.is_some() || now.saturating_sub(cleaned_at) < keep_tombstones_ms
        });
    }

    fn push(&mut self, content: Content) {
        self.entries.push_back(Entry { offset: self.end, content, cleaned_at: None });
        self.end += 1;
    }

    /// Wakes the readers that the last stable offset has moved away from.
    fn wake(&mut self, wakes: &mut Vec<Waker>) {
        if self.waiting.is_empty() {
            return;
        }
        let stable = self.stable_end();
        self.waiting.retain(|_, (position, waker)| {
            let waits = *position >= stable;
            if !waits {
                wakes.push(waker.clone());
            }
            waits
        });
    }

    fn index_of(&self, offset: i64) -> usize {
        self.entries.partition_point(|entry| entry.offset < offset)
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, StoredRecord};
    use millstream::record::Headers;

    fn record(key: &str, value: Option<&str>, timestamp: i64) -> StoredRecord {
        StoredRecord {
            timestamp,
            key: Some(key.as_bytes().into()),
            value: value.map(|value| value.as_bytes().into()),
            headers: Headers::default(),
        }
    }

    fn offsets(log: &Log) -> Vec<i64> {
        let mut records = Vec::new();
        log.read(0, usize::MAX, &mut records);
        records.into_iter().map(|(offset, _)| offset).collect()
    }

    #[test]
    fn what_follows_an_open_transaction_is_not_read_before_its_end() {
        let (mut log, mut wakes) = (Log::default(), Vec::new());
        log.append(record("a", Some("1"), 0), None, &mut wakes);
        log.append(record("a", Some("2"), 0), Some(7), &mut wakes);
        log.append(record("a", Some("3"), 0), Some(8), &mut wakes);
        log.append(record("a", Some("4"), 0), None, &mut wakes);
        assert_eq!((offsets(&log), log.stable_end(), log.end()), (vec![0], 1, 4));
        log.end_transaction(8, true, &mut wakes);
        assert_eq!((offsets(&log), log.stable_end(), log.end()), (vec![0], 1, 5));
        log.end_transaction(7, false, &mut wakes);
        assert_eq!((offsets(&log), log.stable_end(), log.end()), (vec![0, 2, 3], 6, 6));
        assert_eq!(log.read(4, 10, &mut Vec::new()), 6, "a reader passes the markers");
    }

    #[test]
    fn compaction_keeps_the_last_record_of_a_key_and_tombstones_for_a_while() {
        let (mut log, mut wakes) = (Log::default(), Vec::new());
        for (key, value) in [("a", Some("1")), ("b", Some("1")), ("a", None), ("b", Some("2"))] {
            log.append(record(key, value, 0), None, &mut wakes);
        }
        log.append(record("b", Some("3"), 0), Some(1), &mut wakes);
        log.compact(100, 50);
        assert_eq!(offsets(&log), [2, 3]);
        log.compact(150, 50);
        assert_eq!(offsets(&log), [3], "the tombstone is gone, the open transaction hides nothing");
        log.end_transaction(1, true, &mut wakes);
        log.compact(150, 50);
        assert_eq!((offsets(&log), log.end()), (vec![4], 6));
    }

    #[test]
    fn retention_moves_the_start_and_stops_at_the_first_record_that_is_young_enough() {
        let (mut log, mut wakes) = (Log::default(), Vec::new());
        for timestamp in [1, 2, 9, 3] {
            log.append(record("a", Some("1"), timestamp), None, &mut wakes);
        }
        log.expire(5);
        assert_eq!((offsets(&log), log.start()), (vec![2, 3], 2));
        log.delete_before(3);
        assert_eq!((offsets(&log), log.start()), (vec![3], 3));
    }
}
