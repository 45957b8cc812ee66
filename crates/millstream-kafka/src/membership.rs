use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use millstream::broker::{BrokerError, Committed, ErrorKind, TopicPartition};

use crate::context::KafkaConsumer;
use crate::native::GroupMetadata;
use crate::settings::GroupProtocol;

/// What the producers of a member know of it.
pub(crate) struct Membership {
    consumer: Weak<KafkaConsumer>,
    protocol: GroupProtocol,
    state: Mutex<State>,
    left: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The partitions that the member reads.
    owned: HashSet<TopicPartition>,
    /// Classic protocol: who the member was when it was last given partitions. Asked later, librdkafka may answer with
    /// the metadata of nobody, or of a member that has joined anew and does not own what was read.
    at_assignment: Option<Arc<GroupMetadata>>,
}

impl Membership {
    pub(crate) fn new(consumer: &Arc<KafkaConsumer>, protocol: GroupProtocol) -> Self {
        let state = Mutex::new(State::default());
        Membership { consumer: Arc::downgrade(consumer), protocol, state, left: AtomicBool::new(false) }
    }

    /// These partitions are read now.
    pub(crate) fn assigned(&self, consumer: &KafkaConsumer, partitions: impl IntoIterator<Item = TopicPartition>) {
        let metadata = GroupMetadata::of(consumer).filter(GroupMetadata::is_of_a_member);
        let mut state = self.state.lock().unwrap();
        state.owned.extend(partitions);
        state.at_assignment = metadata.map(Arc::new);
    }

    /// These partitions are read no more.
    pub(crate) fn revoked(&self, partitions: &[TopicPartition]) {
        let mut state = self.state.lock().unwrap();
        match self.protocol {
            // It takes everything away at once.
            GroupProtocol::Classic => state.owned.clear(),
            GroupProtocol::Consumer => state.owned.retain(|owned| !partitions.contains(owned)),
        }
    }

    /// Notes that the member leaves; returns whether it had left already.
    pub(crate) fn leave(&self) -> bool {
        self.left.swap(true, Ordering::SeqCst)
    }

    /// Fails if the member has left its group.
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        match self.left.load(Ordering::SeqCst) {
            true => Err(refusal("the member has left its group")),
            false => Ok(()),
        }
    }

    /// Fails if the member has left its group, or does not read one of the partitions.
    pub(crate) fn check_positions(&self, positions: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        match positions.iter().find(|(partition, _)| !state.owned.contains(partition)) {
            Some((partition, _)) => Err(refusal(&format!("{partition} is not this member's any more"))),
            None => Ok(()),
        }
    }

    /// The member's consumer, as long as it is in the group.
    pub(crate) fn consumer(&self) -> Result<Arc<KafkaConsumer>, BrokerError> {
        self.check()?;
        self.consumer.upgrade().ok_or_else(|| refusal("the member has left its group"))
    }

    /// Whom a transaction commits for; the broker refuses it if that is not the member's present state.
    pub(crate) fn metadata(&self) -> Result<Arc<GroupMetadata>, BrokerError> {
        let consumer = self.consumer()?;
        let metadata = match self.protocol {
            GroupProtocol::Classic => self.state.lock().unwrap().at_assignment.clone(),
            // Its epoch moves on without an event. A member that was fenced has none until it answers `Lost`.
            GroupProtocol::Consumer => GroupMetadata::of(&consumer).filter(GroupMetadata::is_of_a_member).map(Arc::new),
        };
        metadata.ok_or_else(|| refusal("the group does not know the member, or not any more"))
    }
}

fn refusal(why: &str) -> BrokerError {
    BrokerError::new(ErrorKind::Abort, format!("positions cannot be committed: {why}"))
}
