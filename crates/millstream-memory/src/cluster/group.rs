use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream::broker::{BrokerError, Committed, ErrorKind, GroupEvent, TopicPartition};
use millstream::record::Timestamp;

use super::topic::Topics;

/// A member's number, in the order of joining.
pub(crate) type MemberId = u64;

/// What a commit shows of whom it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member: MemberId,
    /// The generation that the member's assignment was of.
    pub(crate) generation: i64,
}

/// A consumer group, eager: a rebalance begins with every member giving up all that it has.
#[derive(Default)]
pub(crate) struct Group {
    members: BTreeMap<MemberId, Member>,
    generation: i64,
    rebalancing: bool,
    committed: BTreeMap<TopicPartition, Committed>,
    /// Positions in open transactions, by producer.
    pending: BTreeMap<u64, Vec<(TopicPartition, Committed)>>,
    /// How many members were thrown out.
    pub(crate) evicted: u64,
}

struct Member {
    /// What members are sorted by.
    name: String,
    topics: Vec<Arc<str>>,
    phase: Phase,
    partitions: Vec<TopicPartition>,
    polled_at: Timestamp,
    session_timeout_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Has nothing, and waits for the next generation.
    Joining,
    /// Has an assignment that it was not told yet.
    Offered,
    /// Was told, and has not answered yet.
    Told,
    Stable,
    /// Was told to give up what it has, and has not answered yet.
    Revoking,
}

/// What a member's poll yields.
pub(crate) enum Turn {
    Event(GroupEvent),
    Nothing,
    /// The member is none any more: it was silent for too long.
    Evicted,
}

impl Group {
    pub(crate) fn join(
        &mut self,
        (id, name): (MemberId, &str),
        topics: &[Arc<str>],
        session_timeout_ms: i64,
        now: Timestamp,
        of: &Topics,
    ) {
        let topics = topics.to_vec();
        let (name, phase, partitions) = (name.to_owned(), Phase::Joining, Vec::new());
        self.members.insert(id, Member { name, topics, phase, partitions, polled_at: now, session_timeout_ms });
        self.rebalance(of);
    }

    pub(crate) fn leave(&mut self, id: MemberId, of: &Topics) {
        if self.members.remove(&id).is_some() {
            self.rebalance(of);
        }
    }

    /// Drops members that have not polled for longer than their session timeout.
    pub(crate) fn evict_silent(&mut self, now: Timestamp, of: &Topics) {
        let before = self.members.len();
        self.members.retain(|_, member| now.saturating_sub(member.polled_at) <= member.session_timeout_ms);
        self.evicted += (before - self.members.len()) as u64;
        if self.members.len() < before {
            self.rebalance(of);
        }
    }

    /// Drops the member at that place in the order of joining; `false` if there are not so many.
    pub(crate) fn evict(&mut self, index: usize, of: &Topics) -> bool {
        let Some(id) = self.members.keys().nth(index).copied() else {
            return false;
        };
        self.evicted += 1;
        self.leave(id, of);
        true
    }

    /// No member was silent until now.
    pub(crate) fn renew_sessions(&mut self, now: Timestamp) {
        self.members.values_mut().for_each(|member| member.polled_at = now);
    }

    /// Counts the rebalances that were completed.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// A member's turn: a rebalance goes on as far as it can.
    pub(crate) fn poll(&mut self, id: MemberId, now: Timestamp, of: &Topics) -> Turn {
        let rebalancing = self.rebalancing;
        let Some(member) = self.members.get_mut(&id) else {
            return Turn::Evicted;
        };
        member.polled_at = now;
        match member.phase {
            Phase::Offered => {
                member.phase = Phase::Told;
                Turn::Event(GroupEvent::Assigned(member.partitions.clone()))
            }
            Phase::Stable if rebalancing && !member.partitions.is_empty() => {
                member.phase = Phase::Revoking;
                Turn::Event(GroupEvent::Revoked(member.partitions.clone()))
            }
            Phase::Stable if rebalancing => {
                member.phase = Phase::Joining;
                self.complete(of);
                Turn::Nothing
            }
            _ => Turn::Nothing,
        }
    }

    /// A member's answer to an assignment: what its commits show from now on.
    pub(crate) fn answer_assigned(&mut self, id: MemberId) -> Result<Identity, BrokerError> {
        let generation = self.generation;
        let member = self.member(id)?;
        member.phase = Phase::Stable;
        Ok(Identity { member: id, generation })
    }

    pub(crate) fn answer_revoked(&mut self, id: MemberId, of: &Topics) {
        if let Ok(member) = self.member(id) {
            member.phase = Phase::Joining;
            member.partitions.clear();
            self.complete(of);
        }
    }

    /// Whether a commit may be taken.
    ///
    /// # Errors
    /// [`ErrorKind::Abort`] for a member that is none, or is behind its group.
    pub(crate) fn verify(&mut self, identity: Option<Identity>) -> Result<(), BrokerError> {
        let generation = self.generation;
        let refuse = |what: &str| Err(BrokerError::new(ErrorKind::Abort, format!("positions are refused: {what}")));
        match identity {
            None => refuse("the member has no assignment"),
            Some(identity) if !self.members.contains_key(&identity.member) => refuse("unknown member"),
            Some(identity) if identity.generation != generation => refuse("illegal generation"),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) {
        self.committed.extend(offsets.iter().cloned());
    }

    /// Positions that count once their transaction is committed.
    pub(crate) fn commit_later(&mut self, producer: u64, offsets: &[(TopicPartition, Committed)]) {
        self.pending.entry(producer).or_default().extend(offsets.iter().cloned());
    }

    pub(crate) fn end_transaction(&mut self, producer: u64, commit: bool) {
        let offsets = self.pending.remove(&producer).unwrap_or_default();
        if commit {
            self.committed.extend(offsets);
        }
    }

    /// # Errors
    /// [`ErrorKind::Retry`] while a transaction that may change them is open.
    pub(crate) fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        let pending = |partition: &TopicPartition| self.pending.values().flatten().any(|(other, _)| other == partition);
        if let Some(partition) = partitions.iter().find(|partition| pending(partition)) {
            let message = format!("a transaction with a position of {partition} is not ended yet");
            return Err(BrokerError::new(ErrorKind::Retry, message));
        }
        Ok(partitions.iter().map(|partition| self.committed.get(partition).cloned()).collect())
    }

    fn member(&mut self, id: MemberId) -> Result<&mut Member, BrokerError> {
        self.members.get_mut(&id).ok_or_else(|| BrokerError::new(ErrorKind::Retry, "the member was thrown out"))
    }

    /// Begins a rebalance in which every member takes part, as after a change of its coordinator.
    pub(crate) fn rejoin_all(&mut self, of: &Topics) {
        if !self.members.is_empty() {
            self.rebalance(of);
        }
    }

    /// Begins a rebalance. Who has nothing, or does not know yet of what it has, takes part at once.
    fn rebalance(&mut self, of: &Topics) {
        self.rebalancing = true;
        for member in self.members.values_mut() {
            if member.phase == Phase::Offered {
                member.phase = Phase::Joining;
                member.partitions.clear();
            }
        }
        self.complete(of);
    }

    /// Ends a rebalance once every member takes part.
    fn complete(&mut self, of: &Topics) {
        if !self.rebalancing || self.members.values().any(|member| member.phase != Phase::Joining) {
            return;
        }
        self.rebalancing = false;
        self.generation += 1;
        self.assign_ranges(of);
        for member in self.members.values_mut() {
            member.phase = if member.partitions.is_empty() { Phase::Stable } else { Phase::Offered };
        }
    }

    /// Kafka's range assignor: of each topic every member gets a run of partitions, the first ones one more where they
    /// cannot be shared out evenly. So members with equal subscriptions get the same numbers of each topic.
    fn assign_ranges(&mut self, of: &Topics) {
        let topics: BTreeSet<Arc<str>> = self.members.values().flat_map(|member| member.topics.clone()).collect();
        for topic in topics {
            let subscribed = self.members.values_mut().filter(|member| member.topics.contains(&topic));
            let mut subscribed: Vec<&mut Member> = subscribed.collect();
            // A stable sort: who has no name comes in the order of joining.
            subscribed.sort_by(|a, b| a.name.cmp(&b.name));
            let (partitions, members) = (of.partitions(&topic), subscribed.len() as i32);
            let mut next = 0;
            for (index, member) in subscribed.iter_mut().enumerate() {
                let count = partitions / members + i32::from((index as i32) < partitions % members);
                let run = next..next + count;
                member.partitions.extend(run.map(|partition| TopicPartition::new(topic.clone(), partition)));
                next += count;
            }
        }
    }
}
