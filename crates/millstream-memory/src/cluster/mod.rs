//! The state of a cluster. Everything here runs under one lock and waits for nothing.

mod group;
mod log;
mod topic;
mod transactions;

pub(crate) use group::{Identity, MemberId, Turn};
pub(crate) use log::{Handed, StoredRecord};
pub(crate) use topic::TopicIndex;
pub(crate) use transactions::ProducerIdentity;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use group::Group;
use millstream::broker::{BrokerError, ErrorKind, Waker};
use millstream::record::Timestamp;
use topic::Topics;
use transactions::Transactions;

/// How much time passes between two cleanings of all logs, in ms: Kafka's `log.cleaner.backoff.ms`.
const CLEANING_INTERVAL_MS: i64 = 15_000;

#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) now: Timestamp,
    pub(crate) topics: Topics,
    groups: BTreeMap<String, Group>,
    pub(crate) transactions: Transactions,
    cleaned_at: Timestamp,
    next_id: u64,
    /// How many commits of transactions go through before some are refused.
    pub(crate) passed_commits: u32,
    /// How many are refused then.
    pub(crate) refused_commits: u32,
    /// Whether nothing is answered.
    pub(crate) is_away: bool,
    /// Whether nothing is answered about transactions.
    pub(crate) transactions_are_away: bool,
    /// Readers that have something to read: woken once the lock is free, as a waker may come back here.
    pub(crate) wakes: Vec<Waker>,
}

impl Cluster {
    /// A number that nothing else has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn group(&mut self, id: &str) -> &mut Group {
        self.groups.entry(id.to_owned()).or_default()
    }

    pub(crate) fn group_and_topics(&mut self, id: &str) -> (&mut Group, &Topics) {
        (self.groups.entry(id.to_owned()).or_default(), &self.topics)
    }

    /// # Errors
    /// [`ErrorKind::Retry`] while nothing is answered.
    pub(crate) fn answers(&self) -> Result<(), BrokerError> {
        if self.is_away { Err(BrokerError::new(ErrorKind::Retry, "the broker is away")) } else { Ok(()) }
    }

    /// As [`Cluster::answers`], about transactions.
    pub(crate) fn answers_transactions(&self) -> Result<(), BrokerError> {
        let away = || BrokerError::new(ErrorKind::Retry, "the transaction coordinator is away");
        if self.is_away || self.transactions_are_away { Err(away()) } else { Ok(()) }
    }

    /// The broker goes away, or is back. Members are not missed for the time that it was away.
    pub(crate) fn set_away(&mut self, is_away: bool) {
        self.is_away = is_away;
        for group in self.groups.values_mut().filter(|_| !is_away) {
            group.renew_sessions(self.now);
        }
    }

    /// Time passes: transactions and members time out, logs are cleaned.
    pub(crate) fn advance_to(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        if self.is_away {
            return;
        }
        self.end_late_transactions();
        for group in self.groups.values_mut() {
            group.evict_silent(self.now, &self.topics);
        }
        if self.now.saturating_sub(self.cleaned_at) >= CLEANING_INTERVAL_MS {
            self.clean();
        }
    }

    /// Compacts compacted topics, and drops what is older than its topic's retention.
    pub(crate) fn clean(&mut self) {
        self.cleaned_at = self.now;
        self.topics.clean(self.now);
    }
}

/// A cluster that threads share.
#[derive(Default)]
pub(crate) struct SharedCluster {
    cluster: Mutex<Cluster>,
    changed: Condvar,
}

impl SharedCluster {
    /// Does something with the cluster, then wakes who waits for it.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Cluster) -> R) -> R {
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut cluster);
        let wakes = std::mem::take(&mut cluster.wakes);
        drop(cluster);
        wakes.into_iter().for_each(|wake| wake());
        result
    }

    /// As `with`, for what may let members of a group go on.
    pub(crate) fn change_group<R>(&self, act: impl FnOnce(&mut Cluster) -> R) -> R {
        let result = self.with(act);
        self.notify_members();
        result
    }

    /// Wakes the members that wait for a change of their group.
    pub(crate) fn notify_members(&self) {
        self.changed.notify_all();
    }

    /// Waits until a group may have changed, or until the time is over.
    pub(crate) fn wait_for_change(&self, timeout: Duration) {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout(cluster, timeout));
    }
}
