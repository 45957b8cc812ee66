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
