//! Every kind of store against a model: whatever is done in whatever order, an abort brings back what was committed, and a
//! restore from the compacted changelog what was there.

mod maps;
mod timers;
mod versioned;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{StateStore, Versions};
use crate::broker::Message;
use crate::record::{Headers, Timestamp};
use crate::time::Clock;

/// A changelog as compaction leaves it: the last row of each key, none for a tombstone.
#[derive(Clone, Default)]
pub(super) struct Changelog {
    pub(super) rows: BTreeMap<Vec<u8>, LoggedRow>,
    /// How many rows and tombstones were written by the last commit.
    pub(super) written: usize,
    offset: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedRow {
    pub(super) offset: i64,
    pub(super) value: Vec<u8>,
    pub(super) timestamp: Timestamp,
    pub(super) headers: Headers,
}

impl Changelog {
    pub(super) fn append(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: Timestamp, headers: &Headers) {
        self.offset += 1;
        self.written += 1;
        match value {
            Some(value) => {
                let (value, headers) = (value.to_vec(), headers.clone());
                self.rows.insert(key.to_vec(), LoggedRow { offset: self.offset, value, timestamp, headers });
            }
            None => {
                self.rows.remove(key);
            }
        }
    }

    /// The rows in the order in which they were written.
    pub(super) fn messages(&self) -> Vec<Message<'_>> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| row.offset);
        rows.into_iter()
            .map(|(key, row)| Message {
                offset: row.offset,
                timestamp: row.timestamp,
                key: Some(key),
                value: Some(&row.value),
                headers: row.headers.clone(),
            })
            .collect()
    }
}

/// A store as its task has it.
pub(super) struct Kept<S> {
    pub(super) handle: S,
    store: Rc<dyn StateStore>,
    versions: Versions,
    pub(super) clock: Clock,
    committed_time: Timestamp,
    pub(super) changelog: Changelog,
    make: Rc<dyn Fn(&Clock) -> (S, Rc<dyn StateStore>)>,
}

impl<S> Kept<S> {
    pub(super) fn new(make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + 'static) -> Self {
        Kept::open(Rc::new(make), Changelog::default(), 0)
    }

    fn open(
        make: Rc<dyn Fn(&Clock) -> (S, Rc<dyn StateStore>)>,
        changelog: Changelog,
        committed_time: Timestamp,
    ) -> Self {
        let clock = Clock::default();
        clock.reset(committed_time);
        let (handle, store) = make(&clock);
        let versions = Versions::of(&*store);
        for message in changelog.messages() {
            versions.restore(&*store, &message).unwrap();
        }
        Kept { handle, store, versions, clock, committed_time, changelog, make }
    }

    pub(super) fn commit(&mut self) {
        let (changelog, now) = (&mut self.changelog, self.clock.now());
        changelog.written = 0;
        let flushed = self.versions.flush(&*self.store, now, &mut |key, value, timestamp, headers| {
            changelog.append(key, value, timestamp, headers);
            Ok(())
        });
        flushed.unwrap();
        self.versions.commit(&*self.store, now);
        self.committed_time = now;
    }

    pub(super) fn rollback(&mut self) {
        self.store.rollback();
        self.clock.reset(self.committed_time);
    }

    /// Another one of the same kind, from the changelog alone.
    pub(super) fn restored(&self) -> Self {
        Kept::open(self.make.clone(), self.changelog.clone(), self.committed_time)
    }
}
