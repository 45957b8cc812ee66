//! Every kind of store against a model: whatever is done in whatever order, an abort brings back what was committed, and a
//! restore from the compacted changelog what was there.

mod maps;
mod timers;
mod upgrade;
mod versioned;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{StateStore, Versions};
use crate::broker::{BrokerError, ErrorKind, Message};
use crate::record::{Headers, Timestamp};
use crate::time::Clock;

/// Key, value or tombstone, time and headers.
type Logged = (Vec<u8>, Option<Vec<u8>>, Timestamp, Headers);

/// A changelog: as it was written, and as compaction leaves it, the last row of each key and none for a tombstone.
#[derive(Clone, Default)]
pub(super) struct Changelog {
    log: Vec<Logged>,
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
        self.log.push((key.to_vec(), value.map(<[u8]>::to_vec), timestamp, headers.clone()));
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

    /// All that was written.
    pub(super) fn uncompacted(&self) -> Vec<Message<'_>> {
        let messages = self.log.iter().enumerate().map(|(offset, (key, value, timestamp, headers))| Message {
            offset: offset as i64,
            timestamp: *timestamp,
            key: Some(key),
            value: value.as_deref(),
            headers: headers.clone(),
        });
        messages.collect()
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

/// Makes a store: the handle that users have, and what its task does with it.
type Make<S> = Rc<dyn Fn(&Clock) -> (S, Rc<dyn StateStore>)>;

/// A store as its task has it.
pub(super) struct Kept<S> {
    pub(super) handle: S,
    store: Rc<dyn StateStore>,
    versions: Versions,
    pub(super) clock: Clock,
    committed_time: Timestamp,
    pub(super) changelog: Changelog,
    make: Make<S>,
}

impl<S> Kept<S> {
    pub(super) fn new(make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + 'static) -> Self {
        Kept::open(Rc::new(make), Changelog::default(), 0, true)
    }

    fn open(make: Make<S>, changelog: Changelog, committed_time: Timestamp, compacted: bool) -> Self {
        let clock = Clock::default();
        clock.reset(committed_time);
        let (handle, store) = make(&clock);
        let versions = Versions::of(&*store);
        for message in if compacted { changelog.messages() } else { changelog.uncompacted() } {
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

    /// A commit without transaction that ends after so many rows, or before it is done.
    pub(super) fn crash_in_commit(&mut self, mut rows: usize) {
        let changelog = &mut self.changelog;
        let flushed = self.versions.flush(&*self.store, self.clock.now(), &mut |key, value, timestamp, headers| {
            rows = rows.checked_sub(1).ok_or_else(|| BrokerError::new(ErrorKind::Fenced, "the end"))?;
            changelog.append(key, value, timestamp, headers);
            Ok(())
        });
        drop(flushed);
    }

    pub(super) fn rollback(&mut self) {
        self.store.rollback();
        self.clock.reset(self.committed_time);
    }

    /// Another one of the same kind, from the changelog alone.
    pub(super) fn restored(&self) -> Self {
        Kept::open(self.make.clone(), self.changelog.clone(), self.committed_time, true)
    }

    /// The same from a changelog that was not compacted yet.
    pub(super) fn restored_uncompacted(&self) -> Self {
        Kept::open(self.make.clone(), self.changelog.clone(), self.committed_time, false)
    }

    /// What a later version of the program makes of the changelog.
    pub(super) fn restored_as(
        &self,
        compacted: bool,
        make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + 'static,
    ) -> Self {
        Kept::open(Rc::new(make), self.changelog.clone(), self.committed_time, compacted)
    }
}
