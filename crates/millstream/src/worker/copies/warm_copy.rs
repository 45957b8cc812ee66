use crate::broker::{BrokerError, PartitionReader, Position, TopicPartition};
use crate::record::Timestamp;
use crate::task::{ChangelogBatch, TaskError, TaskId, read_changelog};
use crate::topology::TaskGraph;
use crate::worker::Application;
use crate::worker::transfer::TakingOver;

/// The state of a task that does not run here: as its changelogs say, up to a position in each.
pub(in crate::worker) struct WarmCopy {
    pub(in crate::worker) task: TaskId,
    pub(in crate::worker) graph: TaskGraph,
    /// In the order of the stores that have a changelog.
    pub(in crate::worker) followed: Vec<Followed>,
    /// Until when it is kept without being read on: long before a changelog could have forgotten a deletion. `None` for a
    /// standby, which is read on.
    pub(super) parked_until: Option<Timestamp>,
    /// While its stores are filled from another instance's memory.
    pub(super) filling: Option<TakingOver>,
}

/// How far a copy's store follows its changelog.
pub(in crate::worker) struct Followed {
    /// The store's place in the graph.
    pub(in crate::worker) store: usize,
    pub(in crate::worker) partition: TopicPartition,
    /// The offset up to which it is complete.
    pub(in crate::worker) position: i64,
    /// The changelog's end when it was last looked at; `None` before that.
    pub(super) end: Option<i64>,
    /// Whether nothing was there to be read when it was last read.
    pub(super) is_at_end: bool,
    /// Up to where it may be read: of a source topic no further than its task has come, as the group says.
    pub(super) limit: i64,
    /// Whether the reader has gone further than the position.
    pub(super) must_seek: bool,
    pub(in crate::worker) reader: Option<Box<dyn PartitionReader>>,
}

impl WarmCopy {
    /// The state of a task that is given away; `positions` are the ends of its changelogs.
    pub(in crate::worker) fn parked(
        task: TaskId,
        graph: TaskGraph,
        changelogs: Vec<TopicPartition>,
        positions: Vec<i64>,
        until: Timestamp,
    ) -> Self {
        let mut copy = WarmCopy::new(task, graph, changelogs);
        for (followed, position) in copy.followed.iter_mut().zip(positions) {
            followed.position = position;
        }
        copy.parked_until = Some(until);
        copy
    }

    pub(super) fn new(task: TaskId, graph: TaskGraph, changelogs: Vec<TopicPartition>) -> Self {
        let stores = graph.stores.iter().enumerate().filter(|(_, store)| store.changelog.is_some());
        let followed = stores.zip(changelogs).map(|((store, _), partition)| Followed {
            store,
            partition,
            position: 0,
            end: None,
            is_at_end: false,
            limit: i64::MAX,
            must_seek: false,
            reader: None,
        });
        WarmCopy { task, followed: followed.collect(), graph, parked_until: None, filling: None }
    }

    /// Whether it is one that is read on.
    pub(super) fn is_standby(&self) -> bool {
        self.parked_until.is_none() && self.filling.is_none()
    }

    /// Whether it holds anything yet that is worth being kept, or a task that is to be opened waits for it.
    pub(super) fn is_kept(&self) -> bool {
        self.filling.is_none() || self.parked_until.is_some()
    }

    /// Whether the copy can be completed up to there. A changelog that is shorter than it was is another one, made anew.
    pub(in crate::worker) fn fits(&self, ends: &[i64]) -> bool {
        self.followed.iter().zip(ends).all(|(followed, end)| followed.position <= *end)
    }

    /// About how many records are missing; `None` as long as nobody has asked.
    pub(super) fn lag(&self) -> Option<u64> {
        let missing = |followed: &Followed| {
            let end = followed.end?.min(followed.limit);
            Some(end.saturating_sub(followed.position).max(0) as u64)
        };
        self.followed.iter().map(missing).sum()
    }

    pub(super) fn park(&mut self, until: Timestamp) {
        self.parked_until = Some(until);
        for followed in &mut self.followed {
            (followed.reader, followed.must_seek) = (None, false);
        }
    }
}

impl Followed {
    /// Reads on; returns how many records there were.
    pub(super) fn read(
        &mut self,
        task: TaskId,
        graph: &TaskGraph,
        records_max: usize,
        leaves_out: bool,
    ) -> Result<u64, TaskError> {
        let Followed { store, position, limit, end, is_at_end, must_seek, reader, .. } = self;
        let Some(reader) = reader else { return Ok(0) };
        if records_max == 0 {
            return Ok(0);
        }
        if *position >= *limit {
            *is_at_end = true;
            return Ok(0);
        }
        if std::mem::take(must_seek) {
            reader.seek(Position::Offset(*position))?;
        }
        let read =
            read_changelog(task, &graph.stores[*store], &mut **reader, position, *limit, records_max, leaves_out)?;
        let ChangelogBatch { records, end: reached, is_cut, not_now, .. } = read;
        // An end beyond the limit is not the store's: what lies between may still be written.
        *position = (*position).min(*limit);
        *must_seek = is_cut || not_now.is_some();
        *end = reached.or(*end);
        *is_at_end = reached.is_some() || (*is_at_end && records == 0);
        not_now.map_or(Ok(records), |error| Err(error.into()))
    }

    /// Puts the reader to where a restore is to go on.
    pub(in crate::worker) fn into_reader(mut self) -> Result<Option<Box<dyn PartitionReader>>, BrokerError> {
        if let Some(reader) = &mut self.reader
            && self.must_seek
        {
            reader.seek(Position::Offset(self.position))?;
        }
        Ok(self.reader)
    }
}

/// Of a source topic nothing is read that the group has not committed; nothing at all as long as that is not known.
pub(super) fn limit(copy: &mut WarmCopy, limits: Option<&Vec<i64>>, application: &Application) {
    let stores = &application.topology.sub_topologies[copy.task.sub_topology].stores;
    let from_source = stores.iter().filter(|store| store.changelog.is_some()).map(|store| store.from_source);
    for (index, (followed, from_source)) in copy.followed.iter_mut().zip(from_source).enumerate() {
        if from_source {
            let told = limits.and_then(|limits| limits.get(index)).copied().unwrap_or(-1);
            followed.is_at_end &= told <= followed.limit;
            followed.limit = told.max(followed.position);
        }
    }
}

/// Up to where its stores hold their changelogs.
pub(super) fn positions(copy: &WarmCopy) -> Vec<i64> {
    copy.followed.iter().map(|followed| followed.position).collect()
}
