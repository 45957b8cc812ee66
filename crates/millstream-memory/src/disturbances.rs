use crate::MemoryBroker;

/// What happens to a cluster that its clients do not ask for: for tests.
impl MemoryBroker {
    /// Whether the broker is away, as while it restarts: requests are answered with [`Retry`], readers hand over nothing,
    /// no rebalance goes on, and the end of a transaction is not known to have arrived ([`Fenced`]).
    ///
    /// [`Retry`]: millstream::broker::ErrorKind::Retry
    /// [`Fenced`]: millstream::broker::ErrorKind::Fenced
    pub fn set_away(&self, is_away: bool) {
        self.cluster.change_group(|cluster| cluster.set_away(is_away));
    }

    /// Whether the coordinator of all transactions is away, as while it moves; everything else goes on.
    pub fn set_transactions_away(&self, are_away: bool) {
        self.cluster.with(|cluster| cluster.transactions_are_away = are_away);
    }

    /// Whether the markers of transactions that end wait until [`MemoryBroker::write_marker`] writes them. On Kafka, too, a
    /// commit is answered before its markers are everywhere: readers see it partition by partition, and its positions are
    /// pending until theirs is there. `false` writes all that wait.
    pub fn hold_markers(&self, hold: bool) {
        self.cluster.change_group(|cluster| cluster.hold_markers(hold));
    }

    /// How many markers wait.
    pub fn held_markers(&self) -> usize {
        self.cluster.with(|cluster| cluster.transactions.held_markers())
    }

    /// Writes the marker at that place among those that wait; `false` if there are not so many.
    pub fn write_marker(&self, index: usize) -> bool {
        self.cluster.with(|cluster| cluster.write_held_marker(index))
    }

    /// The transactional ids that have an open transaction, sorted.
    pub fn open_transactions(&self) -> Vec<String> {
        self.cluster.with(|cluster| cluster.transactions.open_ids())
    }

    /// Fences the producer of a transactional id, and aborts its transaction, as a newer producer would.
    pub fn fence(&self, transactional_id: &str) {
        self.cluster.with(|cluster| cluster.fence(transactional_id));
    }

    /// How many transactions were aborted because they were open for too long.
    pub fn timed_out_transactions(&self) -> u64 {
        self.cluster.with(|cluster| cluster.transactions.timed_out)
    }

    /// Throws the member at that place, in the order of joining, out of its group; `false` if there are not so many.
    pub fn evict(&self, group: &str, index: usize) -> bool {
        self.cluster.change_group(|cluster| {
            let (group, topics) = cluster.group_and_topics(group);
            group.evict(index, topics)
        })
    }

    /// How many members a group has thrown out, as they were silent for too long or by [`MemoryBroker::evict`].
    pub fn evicted_members(&self, group: &str) -> u64 {
        self.cluster.with(|cluster| cluster.group(group).evicted)
    }

    /// Begins a rebalance of a group.
    pub fn rebalance(&self, group: &str) {
        self.cluster.change_group(|cluster| {
            let (group, topics) = cluster.group_and_topics(group);
            group.rejoin_all(topics);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::time::Duration;

    use millstream::broker::{
        Assignment, Broker, CleanupPolicy, Committed, ErrorKind, Fetched, GroupEvent, GroupMember, NewTopic, Outgoing,
        Position, Producer, TopicId, TopicPartition,
    };
    use millstream::record::Headers;

    use crate::{ClientSettings, MemoryBroker};

    fn prepare() -> (MemoryBroker, Arc<dyn Broker>, Box<dyn GroupMember>) {
        let cluster = MemoryBroker::new();
        let broker = cluster.client(ClientSettings::new("group"));
        let (name, cleanup_policy, config) = ("topic".to_owned(), CleanupPolicy::Delete, BTreeMap::new());
        let (partitions, replication_factor) = (2, None);
        broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
        let mut member = broker.join(&["topic"]).unwrap();
        let Some(GroupEvent::Assigned(partitions)) = member.poll(Duration::ZERO).unwrap() else {
            panic!("it is alone in the group");
        };
        let assignment = |partition| Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) };
        member.assign(partitions.into_iter().map(assignment).collect()).unwrap();
        (cluster, broker, member)
    }

    fn send(producer: &mut dyn Producer, partition: i32) -> Result<(), ErrorKind> {
        let (topic, partition, headers) = (TopicId(0), Some(partition), &Headers::default());
        let (timestamp, key, value) = (0, None, Some(&b"x"[..]));
        producer.send(Outgoing { topic, partition, timestamp, key, value, headers }).map_err(|error| error.kind)
    }

    fn position() -> [(TopicPartition, Committed); 1] {
        [(TopicPartition::new("topic", 0), Committed { offset: 7, metadata: String::new() })]
    }

    /// How many records can be read of each partition.
    fn visible(broker: &dyn Broker) -> Vec<usize> {
        let count = |partition| {
            let (partition, waker) = (TopicPartition::new("topic", partition), Arc::new(|| ()));
            let mut reader = broker.reader(Assignment { partition, from: Position::Beginning, waker }).unwrap();
            let mut records = 0;
            let mut take = |fetched: Fetched<'_>| {
                records += usize::from(matches!(fetched, Fetched::Record(_)));
                ControlFlow::Continue(())
            };
            reader.read(100, &mut take).unwrap();
            records
        };
        vec![count(0), count(1)]
    }

    #[test]
    fn a_commit_is_seen_partition_by_partition_and_its_positions_last() {
        let (cluster, broker, mut member) = prepare();
        let mut producer = member.producer(Some("id"), &["topic".into()]).unwrap();
        cluster.hold_markers(true);
        send(&mut *producer, 0).unwrap();
        send(&mut *producer, 1).unwrap();
        producer.commit(&position()).unwrap();
        assert_eq!((visible(&*broker), cluster.held_markers()), (vec![0, 0], 3));
        assert!(cluster.write_marker(1));
        assert_eq!(visible(&*broker), [0, 1]);
        let committed = |member: &mut dyn GroupMember| member.committed(&[TopicPartition::new("topic", 0)]);
        assert_eq!(committed(&mut *member).unwrap_err().kind, ErrorKind::Retry);
        let refused = member.producer(Some("id"), &["topic".into()]).err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Retry, "a new producer waits for the last transaction");
        cluster.hold_markers(false);
        assert_eq!((visible(&*broker), cluster.held_markers()), (vec![1, 1], 0));
        assert_eq!(committed(&mut *member).unwrap()[0].as_ref().unwrap().offset, 7);
    }

    #[test]
    fn the_next_transaction_of_a_producer_waits_for_its_last_one() {
        let (cluster, broker, mut member) = prepare();
        let mut producer = member.producer(Some("id"), &["topic".into()]).unwrap();
        cluster.hold_markers(true);
        send(&mut *producer, 0).unwrap();
        producer.commit(&[]).unwrap();
        send(&mut *producer, 1).unwrap();
        assert_eq!(visible(&*broker), [1, 0]);
        producer.abort().unwrap();
        assert_eq!(cluster.held_markers(), 1);
    }

    #[test]
    fn who_is_away_answers_nothing_and_forgets_nothing() {
        let (cluster, broker, mut member) = prepare();
        let mut producer = member.producer(Some("id"), &["topic".into()]).unwrap();
        send(&mut *producer, 0).unwrap();
        cluster.set_away(true);
        assert_eq!(broker.describe(&["topic"]).unwrap_err().kind, ErrorKind::Retry);
        assert_eq!(send(&mut *producer, 0), Err(ErrorKind::Retry));
        assert_eq!(producer.commit(&position()).unwrap_err().kind, ErrorKind::Fenced);
        cluster.advance_to(1_000_000);
        cluster.set_away(false);
        cluster.advance_to(1_000_001);
        assert_eq!((member.poll(Duration::ZERO).unwrap(), cluster.evicted_members("group")), (None, 0));
        // The transaction went on for too long meanwhile.
        assert_eq!(cluster.timed_out_transactions(), 1);
    }

    #[test]
    fn a_producer_is_fenced_and_a_member_thrown_out_from_outside() {
        let (cluster, broker, mut member) = prepare();
        let mut producer = member.producer(Some("id"), &["topic".into()]).unwrap();
        send(&mut *producer, 0).unwrap();
        assert_eq!(cluster.open_transactions(), ["id"]);
        cluster.fence("id");
        assert_eq!(producer.commit(&position()).unwrap_err().kind, ErrorKind::Fenced);
        assert!(cluster.open_transactions().is_empty());
        let mut producer = member.producer(Some("id"), &["topic".into()]).unwrap();
        assert!(cluster.evict("group", 0) && !cluster.evict("group", 0));
        send(&mut *producer, 0).unwrap();
        assert_eq!(producer.commit(&position()).unwrap_err().kind, ErrorKind::Abort);
        producer.abort().unwrap();
        assert_eq!(visible(&*broker), [0, 0]);
        assert!(matches!(member.poll(Duration::ZERO).unwrap(), Some(GroupEvent::Lost(_))));
    }
}
