//! Every kind of store against a model: whatever is done in whatever order, an abort brings back what was committed, and a
//! restore from the compacted changelog what was there.

mod fragile;
mod maps;
mod memory;
mod panics;
mod snapshots;
mod timers;
mod upgrade;
mod versioned;

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::{SnapshotCursor, StateStore, Versions};
use crate::broker::{BrokerError, ErrorKind, Message};
use crate::record::{Headers, Timestamp};
use crate::time::Clock;

/// A changelog, as it was written.
#[derive(Clone, Default)]
pub(super) struct Changelog {
    log: Vec<Logged>,
    /// How many rows and tombstones were written by the last commit.
    pub(super) written: usize,
    /// How many tombstones were written for keys that had no row.
    pub(super) needless: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Logged {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: Timestamp,
    headers: Headers,
}

/// How far a broker has compacted a changelog: in so many per cent of it each key has its last row alone, and the tombstones
/// among them are gone or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compacted {
    percent: usize,
    with_tombstones: bool,
}

pub(super) fn compacted() -> impl Strategy<Value = Compacted> {
    let percent = prop_oneof![Just(0), Just(100), 0..100_usize];
    (percent, any::<bool>()).prop_map(|(percent, with_tombstones)| Compacted { percent, with_tombstones })
}

impl Changelog {
    fn append(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: Timestamp, headers: &Headers) {
        let needless = value.is_none() && self.rows().all(|row| row.key != key);
        self.needless += usize::from(needless);
        self.written += 1;
        let (key, value, headers) = (key.to_vec(), value.map(<[u8]>::to_vec), headers.clone());
        self.log.push(Logged { key, value, timestamp, headers });
    }

    /// The rows that are there: the last one of each key, if that is no tombstone.
    fn rows(&self) -> impl Iterator<Item = &Logged> {
        let last: BTreeMap<&[u8], &Logged> = self.log.iter().map(|row| (&*row.key, row)).collect();
        last.into_values().filter(|row| row.value.is_some())
    }

    pub(super) fn count(&self) -> usize {
        self.rows().count()
    }

    /// What a restore reads.
    fn messages(&self, compacted: Compacted) -> Vec<Message<'_>> {
        let cleaned = self.log.len() * compacted.percent / 100;
        let last: BTreeMap<&[u8], usize> =
            self.log[..cleaned].iter().enumerate().map(|(offset, row)| (&*row.key, offset)).collect();
        let kept = self.log.iter().enumerate().filter(|(offset, row)| {
            let is_last = last.get(&*row.key) == Some(offset);
            *offset >= cleaned || (is_last && (row.value.is_some() || compacted.with_tombstones))
        });
        let messages = kept.map(|(offset, row)| Message {
            offset: offset as i64,
            timestamp: row.timestamp,
            key: Some(&row.key),
            value: row.value.as_deref(),
            headers: row.headers.clone(),
        });
        messages.collect()
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
        Kept::open(Rc::new(make), Changelog::default(), 0, Compacted { percent: 0, with_tombstones: true })
    }

    fn open(make: Make<S>, changelog: Changelog, committed_time: Timestamp, compacted: Compacted) -> Self {
        let clock = Clock::default();
        clock.reset(committed_time);
        let (handle, store) = make(&clock);
        let versions = Versions::of(&*store);
        for message in changelog.messages(compacted) {
            versions.restore(&*store, &message).unwrap();
        }
        store.restored();
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

    /// The next step of a snapshot; its rows are those of the changelog.
    fn snapshot(&self, cursor: &mut SnapshotCursor, rows_max: usize, rows: &mut Vec<Logged>) {
        if cursor.is_done() {
            return;
        }
        let from = rows.len();
        let ready = self.versions.snapshot(&*self.store, cursor, rows_max, &mut |key, value, timestamp, headers| {
            let (key, value, headers) = (key.to_vec(), value.map(<[u8]>::to_vec), headers.clone());
            rows.push(Logged { key, value, timestamp, headers });
            Ok(())
        });
        assert!(ready.unwrap());
        let committed: BTreeMap<_, _> = self.changelog.rows().map(|row| (&row.key, row)).collect();
        for row in &rows[from..] {
            let of_changelog = committed.get(&row.key).map(|committed| (*committed).clone());
            let timestamp = of_changelog.as_ref().map_or(0, |row| row.timestamp);
            // What was handed out of windows is no row of the user's, and its time means nothing.
            let row =
                if self.store.is_unversioned(&row.key) { Logged { timestamp, ..row.clone() } } else { row.clone() };
            assert_eq!(Some(row), of_changelog, "handed out as committed");
        }
    }

    /// Another one of the same kind, from the rows of a snapshot and what is in the changelog from an offset on.
    fn restored_from(&self, rows: &[Logged], offset: usize) -> Self {
        let log = rows.iter().chain(&self.changelog.log[offset..]).cloned().collect();
        let changelog = Changelog { log, ..Changelog::default() };
        let uncompacted = Compacted { percent: 0, with_tombstones: true };
        Kept::open(self.make.clone(), changelog, self.committed_time, uncompacted)
    }

    /// Another one of the same kind, from the changelog alone.
    pub(super) fn restored(&self, compacted: Compacted) -> Self {
        Kept::open(self.make.clone(), self.changelog.clone(), self.committed_time, compacted)
    }

    /// What a later version of the program makes of the changelog.
    pub(super) fn restored_as(
        &self,
        compacted: Compacted,
        make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + 'static,
    ) -> Self {
        Kept::open(Rc::new(make), self.changelog.clone(), self.committed_time, compacted)
    }
}
