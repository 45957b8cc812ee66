use std::collections::{BTreeMap, BTreeSet};

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
    pub(crate) fn begin_producer(&mut self, transactional_id: &str, timeout_ms: i64) -> ProducerIdentity {
        let producer = self.next_id();
        self.end_transaction(transactional_id, false);
        let new = Transaction { producer, epoch: 0, timeout_ms, open: None };
        let transaction = self.transactions.by_id.entry(transactional_id.to_owned()).or_insert(new);
        transaction.epoch += 1;
        transaction.timeout_ms = timeout_ms;
        ProducerIdentity {
            transactional_id: transactional_id.to_owned(),
            producer: transaction.producer,
            epoch: transaction.epoch,
        }
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
        for id in late {
            self.end_transaction(&id, false);
        }
    }

    fn open_transaction(&mut self, identity: &ProducerIdentity) -> Result<&mut Open, BrokerError> {
        let now = self.now;
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
        for (topic, partition) in open.partitions {
            if let Ok(log) = self.topics.topic(topic).log(partition) {
                log.end_transaction(producer, commit, &mut self.wakes);
            }
        }
        for group in open.groups {
            self.group(&group).end_transaction(producer, commit);
        }
    }
}

impl Transactions {
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
