use std::collections::VecDeque;
use std::sync::Arc;

use millstream::broker::{BrokerError, Committed, ErrorKind, Outgoing, Producer, TopicId, TopicPartition};
use millstream::record::{Headers, Timestamp};

use super::Network;
use crate::simulation::Fault;

/// A producer whose records are under way for a while, and whose commits may be refused or lost.
pub(super) struct NetworkProducer {
    producer: Box<dyn Producer>,
    network: Network,
    is_transactional: bool,
    in_transaction: bool,
    /// Records on their way: each partition's come in their order, those of different ones in any.
    under_way: VecDeque<Queued>,
    topics: Vec<Arc<str>>,
}

struct Queued {
    topic: TopicId,
    partition: Option<i32>,
    timestamp: Timestamp,
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Headers,
}

/// How many records are under way at most.
const UNDER_WAY: usize = 64;

impl NetworkProducer {
    pub(super) fn new(
        producer: Box<dyn Producer>,
        network: Network,
        is_transactional: bool,
        topics: &[Arc<str>],
    ) -> Self {
        let (in_transaction, under_way, topics) = (false, VecDeque::new(), topics.to_vec());
        NetworkProducer { producer, network, is_transactional, in_transaction, under_way, topics }
    }

    fn count(&self, fault: Fault) {
        self.network.world.get().count(fault, &self.network.process);
    }

    /// Has one record arrive, of any partition.
    fn deliver_one(&mut self) -> Result<(), BrokerError> {
        let mut world = self.network.world.get();
        let chosen = world.random.index(self.under_way.len());
        let Some(Queued { topic, partition, .. }) = self.under_way.get(chosen) else {
            return Ok(());
        };
        let is_same = |queued: &Queued| queued.topic == *topic && queued.partition == *partition;
        let first = self.under_way.iter().position(is_same).unwrap_or(chosen);
        if first > 0 {
            world.counts.add(Fault::LateSend, 1);
        }
        if let Some(queued) = self.under_way.get(first) {
            world.note(|| {
                let topic = self.topics.get(queued.topic.0 as usize).map_or("?", |name| name);
                let (process, partition) = (&self.network.process, queued.partition.unwrap_or(-1));
                format!("{process} writes {topic}[{partition}] {} {}", text(&queued.key), text(&queued.value))
            });
        }
        drop(world);
        if let Some(Queued { topic, partition, timestamp, key, value, headers }) = self.under_way.get(first) {
            let (topic, partition, timestamp) = (*topic, *partition, *timestamp);
            let (key, value) = (key.as_deref(), value.as_deref());
            self.producer.send(Outgoing { topic, partition, timestamp, key, value, headers })?;
            self.under_way.remove(first);
        }
        Ok(())
    }

    fn deliver(&mut self, leave: usize) -> Result<(), BrokerError> {
        while self.under_way.len() > leave {
            self.deliver_one()?;
        }
        Ok(())
    }

    /// The commit itself, and what the broker says to it.
    fn commit_now(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        self.deliver(0)?;
        let committed = self.producer.commit(offsets);
        if let Err(error) = &committed {
            match error.kind {
                ErrorKind::Abort => self.count(Fault::ZombieRefused),
                ErrorKind::Fenced => self.count(Fault::Fenced),
                ErrorKind::Retry | ErrorKind::Record | ErrorKind::EarlierRecord | ErrorKind::Fatal => {}
            }
        } else {
            self.in_transaction = false;
        }
        committed
    }

    /// What becomes of a commit.
    fn commit_or_not(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        let mut world = self.network.world.get();
        let refused = world.draw(|odds| odds.commit_refused);
        let lost = world.draw(|odds| odds.outcome_lost);
        let away = world.draw(|odds| odds.away_in_commit);
        let arrives = world.random.one_in(2);
        drop(world);
        // Without transactions the same is said of positions: the tasks begin anew then, too.
        let unknown = if self.is_transactional { ErrorKind::Fenced } else { ErrorKind::Retry };
        if refused {
            self.count(Fault::CommitRefused);
            let some = self.network.world.get().random.index(self.under_way.len() + 1);
            self.deliver(some)?;
            return Err(BrokerError::new(ErrorKind::Abort, "the commit is refused"));
        }
        if away {
            self.count(Fault::BrokerAwayInCommit);
            if arrives {
                self.commit_now(offsets)?;
            }
            self.network.cluster.set_away(true);
            self.network.world.get().is_away = true;
            return Err(BrokerError::new(unknown, "the broker went away during the commit"));
        }
        if lost && arrives {
            self.commit_now(offsets)?;
            self.count(Fault::AnswerLost);
            return Err(BrokerError::new(unknown, "the commit was not answered"));
        }
        if lost {
            self.count(Fault::CommitLost);
            return Err(BrokerError::new(unknown, "the commit was not answered"));
        }
        self.commit_now(offsets)
    }
}

impl Producer for NetworkProducer {
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError> {
        self.producer.topic(name)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError> {
        self.producer.partitions(topic)
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        let Outgoing { topic, partition, timestamp, key, value, headers } = record;
        let (key, value, headers) = (key.map(Into::into), value.map(Into::into), headers.clone());
        self.under_way.push_back(Queued { topic, partition, timestamp, key, value, headers });
        self.in_transaction = true;
        let arriving = self.network.world.get().random.one_in(4);
        let leave = if arriving { self.under_way.len() / 2 } else { UNDER_WAY };
        match self.deliver(leave) {
            // A record stays under way while the broker is away.
            Err(error) if error.kind == ErrorKind::Retry => Ok(()),
            delivered => delivered,
        }
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        self.in_transaction |= !offsets.is_empty();
        if !self.in_transaction {
            return Ok(());
        }
        let committed = self.commit_or_not(offsets);
        self.network.world.get().note(|| {
            let positions = offsets.iter().map(|(partition, committed)| format!(" {partition}@{}", committed.offset));
            let outcome = committed.as_ref().err().map_or("done", |error| &error.message);
            format!("{} commits{}: {outcome}", self.network.process, positions.collect::<String>())
        });
        committed
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        if !self.is_transactional {
            return self.deliver(0);
        }
        self.under_way.clear();
        if std::mem::take(&mut self.in_transaction) {
            self.network.world.get().note(|| format!("{} aborts", self.network.process));
            self.producer.abort()?;
        }
        Ok(())
    }
}

/// Bytes as a trace shows them.
fn text(bytes: &Option<Box<[u8]>>) -> String {
    bytes.as_ref().map_or("null".to_owned(), |bytes| bytes.escape_ascii().to_string())
}

impl Drop for NetworkProducer {
    fn drop(&mut self) {
        if !self.is_transactional && !self.under_way.is_empty() {
            self.count(Fault::LostSend);
        }
    }
}
