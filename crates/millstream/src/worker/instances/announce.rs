use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::control::AGAIN_MS;
use super::{AnnouncedPhase, AnnouncedTask, Announcement};
use crate::broker::{Broker, BrokerError, Outgoing, Producer, TopicId};
use crate::record::{Headers, Timestamp};
use crate::task::TaskId;
use crate::worker::{Instance, Phase, TaskState};

/// How often an instance tells of itself, in ms, where nothing has changed.
pub(super) const TELL_MS: i64 = 3_000;

/// How long the end may wait for the last announcement to arrive.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What was looked at when it was last decided whether there is news.
#[derive(Default)]
pub(super) struct Seen {
    phase: Option<Phase>,
    open: BTreeSet<TaskId>,
    changes: u64,
}

impl Instance {
    /// What is to be told of this instance.
    pub(super) fn announcement(&self) -> Announcement {
        let options = &self.application.options;
        let phase = match self.phase {
            Phase::Warming => AnnouncedPhase::Warming,
            Phase::Running => AnnouncedPhase::Running,
            Phase::Stopping | Phase::Stopped => AnnouncedPhase::Leaving,
        };
        // As the group's assignor sorts members: by their instance ids if static, else by what begins with these.
        let order = match options.static_membership {
            true => options.instance_id.clone(),
            false => format!("{}-", options.instance_id),
        };
        let mut announcement = Announcement {
            address: options.address.clone(),
            rack: options.rack.clone(),
            workers: self.workers.len(),
            memory_bytes: self.shared.memory(),
            transactional_ids: (0..self.workers.len()).filter_map(|worker| self.transactional_id(worker)).collect(),
            ..Announcement::new(order, phase)
        };
        for worker in &self.workers {
            let mut positions = worker.status.positions();
            for task in worker.status.tasks() {
                let mut told = |lag| AnnouncedTask {
                    task: task.id,
                    positions: positions.remove(&task.id).unwrap_or_default(),
                    lag,
                };
                match task.state {
                    TaskState::Standby { lag } => announcement.standby.push(told(lag)),
                    // What the group took back is not claimed any more, also while the worker lets go of it.
                    _ if !self.open.contains(&task.id) => {}
                    TaskState::Running => announcement.active.push(told(0)),
                    TaskState::Restoring { restored, total, .. } => {
                        announcement.active.push(told(total.saturating_sub(restored)));
                    }
                }
            }
        }
        if let (Phase::Warming, Some(before)) = (self.phase, &self.instances.warming.before) {
            // Until it joins, what it had is as it left it: who takes that over must know whose transaction may be open.
            announcement.active.clone_from(&before.active);
            announcement.transactional_ids.clone_from(&before.transactional_ids);
        }
        announcement.active.sort_by_key(|task| task.task);
        announcement.standby.sort_by_key(|task| task.task);
        announcement
    }

    /// Tells the others of this instance, if there is news or it is time.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let clock = self.instances.clock.ms;
        // What this instance told before it was started anew must be read before it is told anew. And a member that the group
        // will wait for tells until its end what it has.
        let waits = !self.instances.control.is_complete() || clock < self.instances.tell_at;
        if waits || (self.application.options.static_membership && self.phase == Phase::Stopping) {
            return;
        }
        let is_time = self.instances.told.as_ref().is_none_or(|(_, at)| clock - at >= TELL_MS);
        let changes = self.workers.iter().map(|worker| worker.status.changes()).sum();
        let Seen { phase, open, changes: seen } = &self.instances.seen;
        if !is_time && *phase == Some(self.phase) && *open == self.open && *seen == changes {
            return;
        }
        self.instances.seen = Seen { phase: Some(self.phase), open: self.open.clone(), changes };
        let announcement = self.announcement();
        let is_due = self
            .instances
            .told
            .as_ref()
            .is_none_or(|(told, at)| clock - at >= TELL_MS || announcement.is_news_after(told));
        if !is_due {
            return;
        }
        let id = self.application.options.instance_id.clone();
        let sent = self.send(&id, Some(&announcement.encode()), now);
        if sent.is_ok() {
            self.instances.told = Some((announcement, clock));
        }
        let forgotten = match self.is_first_member() {
            true => self.instances.view.to_forget(clock),
            false => Vec::new(),
        };
        let sent = forgotten.iter().fold(sent, |sent, gone| sent.and_then(|()| self.send(gone, None, now)));
        self.note_sent(sent);
    }

    /// The last thing that is told: that this instance is gone. One that the group waits for says that it leaves, and what it
    /// had.
    pub(in crate::worker) fn tell_end(&mut self) {
        let Some((told, _)) = self.instances.told.take() else {
            return;
        };
        let id = self.application.options.instance_id.clone();
        let now = self.instances.clock.last.unwrap_or_default();
        let last = Announcement { phase: AnnouncedPhase::Leaving, ..told };
        let last = self.application.options.static_membership.then(|| last.encode());
        let sent = self.send(&id, last.as_deref(), now);
        let flushed = sent.and_then(|()| match &mut self.instances.producer {
            Some(producer) => producer.flush(LAST_WORD).map(|_| ()),
            None => Ok(()),
        });
        self.note_sent(flushed);
    }

    fn note_sent(&mut self, sent: Result<(), BrokerError>) {
        if let Err(error) = sent {
            tracing::warn!(%error, "other instances are not told of this one; trying again");
            self.instances.producer = None;
            self.instances.tell_at = self.instances.clock.ms + AGAIN_MS;
        }
    }

    /// Whether this instance is the first of the group's members, which does what one alone is to do.
    fn is_first_member(&self) -> bool {
        let members = self.instances.view.members(None);
        members.first().is_some_and(|first| first.instance_id == self.application.options.instance_id)
    }

    fn send(&mut self, id: &str, value: Option<&[u8]>, now: Timestamp) -> Result<(), BrokerError> {
        let topic = self.application.control_topic();
        let producer = producer(&mut self.instances.producer, &*self.broker, topic)?;
        let headers = Headers::default();
        let (topic, partition) = (TopicId(0), Some(0));
        producer.send(Outgoing { topic, partition, timestamp: now, key: Some(id.as_bytes()), value, headers: &headers })
    }
}

fn producer<'a>(
    kept: &'a mut Option<Box<dyn Producer>>,
    broker: &dyn Broker,
    topic: Arc<str>,
) -> Result<&'a mut Box<dyn Producer>, BrokerError> {
    match kept {
        Some(producer) => Ok(producer),
        None => Ok(kept.insert(broker.producer(&[topic])?)),
    }
}
