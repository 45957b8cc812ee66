use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use millstream::broker::{BrokerError, Committed, ErrorKind, TopicPartition};
use millstream::record::Timestamp;

use super::Cluster;
use super::topic::TopicIndex;

/// A transactional producer: its number, and which of the producers with its id it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    transactional_id: String,
    pub(crate) producer: u64,
    epoch: u64,
}

/// Transactional ids, with what their open transactions have touched.
#[derive(Default)]
pub(crate) struct Transactions {
    by_id: BTreeMap<String, Transaction>,
    /// Whether markers of transactions that end wait until they are asked for.
    holds_markers: bool,
    held: Vec<Marker>,
    /// How many transactions were aborted as they were open for too long.
    pub(crate) timed_out: u64,
}

/// The end of a transaction, on its way to one of the places that it touched.
struct Marker {
    producer: u64,
    commit: bool,
    place: Place,
}

enum Place {
    Partition(TopicIndex, i32),
    Positions(String),
}

struct Transaction {
    producer: u64,
    epoch: u64,
    timeout_ms: i64,
    open: Option<Open>,
}

/// An open transaction.
struct Open {
    since: Timestamp,
    partitions: BTreeSet<(TopicIndex, i32)>,
    groups: BTreeSet<String>,
}

impl Cluster {
    /// Makes a transactional producer. An earlier one of the id is fenced, and its open transaction is aborted.
    ///
    /// # Errors
    /// [`ErrorKind::Retry`] while markers of the earlier one's transaction are still to be written.
    pub(crate) fn begin_producer(
        &mut self,
        transactional_id: &str,
        timeout_ms: i64,
    ) -> Result<ProducerIdentity, BrokerError> {
        self.fence(transactional_id);
        let producer = self.next_id();
        let new = Transaction { producer, epoch: 0, timeout_ms, open: None };
        let transaction = self.transactions.by_id.entry(transactional_id.to_owned()).or_insert(new);
        if self.transactions.held.iter().any(|marker| marker.producer == transaction.producer) {
            let message = format!("the last transaction of {transactional_id} is not ended everywhere yet");
            return Err(BrokerError::new(ErrorKind::Retry, message));
        }
        transaction.epoch += 1;
        transaction.timeout_ms = timeout_ms;
        Ok(ProducerIdentity {
            transactional_id: transactional_id.to_owned(),
            producer: transaction.producer,
            epoch: transaction.epoch,
        })
    }

    /// Fences the producer of that id, and aborts its open transaction.
    pub(crate) fn fence(&mut self, transactional_id: &str) {
        if let Some(transaction) = self.transactions.by_id.get_mut(transactional_id) {
            transaction.epoch += 1;
        }
        self.end_transaction(transactional_id, false);
    }

    /// Adds a partition to the producer's transaction, which begins if there is none.
    pub(crate) fn enlist(
        &mut self,
        identity: &ProducerIdentity,
        topic: TopicIndex,
        partition: i32,
    ) -> Result<(), BrokerError> {
        self.open_transaction(identity)?.partitions.insert((topic, partition));
        Ok(())
    }

    /// Adds a group's positions to the producer's transaction.
    pub(crate) fn enlist_offsets(
        &mut self,
        identity: &ProducerIdentity,
        group: &str,
        offsets: &[(TopicPartition, Committed)],
    ) -> Result<(), BrokerError> {
        self.open_transaction(identity)?.groups.insert(group.to_owned());
        self.group(group).commit_later(identity.producer, offsets);
        Ok(())
    }

    /// Ends the producer's transaction, if one is open.
    pub(crate) fn end_own_transaction(&mut self, identity: &ProducerIdentity, commit: bool) -> Result<(), BrokerError> {
        self.transactions.owned(identity)?;
        self.end_transaction(&identity.transactional_id, commit);
        Ok(())
    }

    /// Aborts transactions that have been open for longer than their timeout, and fences their producers.
    pub(crate) fn end_late_transactions(&mut self) {
        let now = self.now;
        let late = |transaction: &Transaction| {
            transaction.open.as_ref().is_some_and(|open| now.saturating_sub(open.since) > transaction.timeout_ms)
        };
        let late = self.transactions.by_id.iter_mut().filter(|(_, transaction)| late(transaction));
        let late: Vec<String> = late
            .map(|(id, transaction)| {
                transaction.epoch += 1;
                id.clone()
            })
            .collect();
        self.transactions.timed_out += late.len() as u64;
        for id in late {
            self.end_transaction(&id, false);
        }
    }

    /// Whether markers of transactions that end wait until they are asked for; those that wait are written if not.
    pub(crate) fn hold_markers(&mut self, hold: bool) {
        self.transactions.holds_markers = hold;
        while !hold && self.write_held_marker(0) {}
    }

    /// Writes one of the markers that wait; `false` if there are not so many.
    pub(crate) fn write_held_marker(&mut self, index: usize) -> bool {
        let exists = index < self.transactions.held.len();
        if exists {
            let marker = self.transactions.held.remove(index);
            self.write_marker(marker);
        }
        exists
    }

    fn write_marker(&mut self, Marker { producer, commit, place }: Marker) {
        match place {
            Place::Partition(topic, partition) => {
                if let Ok(log) = self.topics.topic(topic).log(partition) {
                    log.end_transaction(producer, commit, &mut self.wakes);
                }
            }
            Place::Positions(group) => self.group(&group).end_transaction(producer, commit),
        }
    }

    fn open_transaction(&mut self, identity: &ProducerIdentity) -> Result<&mut Open, BrokerError> {
        let now = self.now;
        if !self.transactions.held.is_empty() && self.transactions.owned(identity)?.open.is_none() {
            // The client waits with the next transaction until the last one is ended everywhere.
            let held = mem::take(&mut self.transactions.held);
            let (own, others) = held.into_iter().partition(|marker| marker.producer == identity.producer);
            self.transactions.held = others;
            let own: Vec<Marker> = own;
            own.into_iter().for_each(|marker| self.write_marker(marker));
        }
        let transaction = self.transactions.owned(identity)?;
        let begin = || Open { since: now, partitions: BTreeSet::new(), groups: BTreeSet::new() };
        Ok(transaction.open.get_or_insert_with(begin))
    }

    fn end_transaction(&mut self, transactional_id: &str, commit: bool) {
        let Some(transaction) = self.transactions.by_id.get_mut(transactional_id) else {
            return;
        };
        let (producer, open) = (transaction.producer, transaction.open.take());
        let Some(open) = open else {
            return;
        };
        let partitions = open.partitions.into_iter().map(|(topic, partition)| Place::Partition(topic, partition));
        for place in partitions.chain(open.groups.into_iter().map(Place::Positions)) {
            let marker = Marker { producer, commit, place };
            match self.transactions.holds_markers {
                true => self.transactions.held.push(marker),
                false => self.write_marker(marker),
            }
        }
    }
}

impl Transactions {
    /// How many markers wait.
    pub(crate) fn held_markers(&self) -> usize {
        self.held.len()
    }

    /// The ids that have an open transaction.
    pub(crate) fn open_ids(&self) -> Vec<String> {
        self.by_id.iter().filter(|(_, transaction)| transaction.open.is_some()).map(|(id, _)| id.clone()).collect()
    }

    /// # Errors
    /// [`ErrorKind::Fenced`] for a producer that is not the last of its id, or whose transaction timed out.
    fn owned(&mut self, identity: &ProducerIdentity) -> Result<&mut Transaction, BrokerError> {
        let transaction = self.by_id.get_mut(&identity.transactional_id);
        transaction.filter(|transaction| transaction.epoch == identity.epoch).ok_or_else(|| {
            let message = format!(
                "transactional id {} belongs to a newer producer, or its transaction timed out",
                identity.transactional_id
            );
            BrokerError::new(ErrorKind::Fenced, message)
        })
    }
}
