use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::announcement::{AnnouncedPhase, AnnouncedTask, Announcement};
use super::placement::{Owner, Place};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::task::TaskId;

/// Who was not heard of for so long, in ms, is taken for gone: several announcements were due meanwhile.
pub(super) const SILENT_MS: i64 = 10_000;

/// After so long, in ms, somebody who is gone is of no use any more: whatever it had is with others.
const FORGOTTEN_MS: i64 = 60 * 60 * 1000;

/// So many records of a changelog are read within a moment.
const LITTLE: u64 = 10_000;

/// More instances than any application has: what is beyond is somebody's mistake.
const INSTANCES_MAX: usize = 10_000;

/// An instance, as it tells of itself on the control topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// Its instance id.
    pub instance_id: Arc<str>,
    /// Whether it was heard of lately.
    pub is_alive: bool,
    /// What it told last.
    pub announcement: Arc<Announcement>,
}

/// The instances that this one knows of, itself included; read from any thread.
#[derive(Debug, Default)]
pub struct KnownInstances(Mutex<Arc<Vec<KnownInstance>>>);

impl KnownInstances {
    /// The instances by their ids, as they were a moment ago.
    pub fn get(&self) -> Arc<Vec<KnownInstance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of the instance that the state of a task is best taken from: a standby if it misses little, or else
    /// whoever runs it.
    pub(in crate::worker) fn holder_of(&self, task: TaskId, own_id: &str) -> Option<String> {
        let instances = self.get();
        let others = instances.iter().filter(|known| known.is_alive && *known.instance_id != *own_id);
        let holders = others.flat_map(|known| {
            let Announcement { address, active, standby, .. } = &*known.announcement;
            let of_task = |tasks: &[AnnouncedTask]| tasks.iter().find(|told| told.task == task).map(|told| told.lag);
            let lags = [(false, of_task(standby)), (true, of_task(active))];
            lags.into_iter()
                .filter_map(move |(is_active, lag)| Some((lag? > LITTLE, is_active, lag?, address.clone()?)))
        });
        holders.min().map(|(.., address)| address)
    }

    /// Whether another instance that is alive can be reached; also if none was heard of yet.
    pub(in crate::worker) fn may_have_addresses(&self, own_id: &str) -> bool {
        let instances = self.get();
        let mut others = instances.iter().filter(|known| known.is_alive && *known.instance_id != *own_id).peekable();
        others.peek().is_none() || others.any(|known| known.announcement.address.is_some())
    }

    fn set(&self, instances: Vec<KnownInstance>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(instances);
    }
}

/// What was read of the control topic.
pub(super) struct View {
    heard: BTreeMap<Arc<str>, Heard>,
    shared: Arc<KnownInstances>,
    /// Whether something that cannot be read was told of: once is enough.
    warned: bool,
    /// Whether `shared` is behind.
    changed: bool,
}

struct Heard {
    announcement: Arc<Announcement>,
    /// When it was heard last, by this reader's clock.
    at: Timestamp,
    is_alive: bool,
    /// Whether it was heard after all that was there when reading began: then it is alive, and not what a dead one left.
    is_fresh: bool,
}

impl View {
    pub(super) fn new(shared: Arc<KnownInstances>) -> Self {
        View { heard: BTreeMap::new(), shared, warned: false, changed: false }
    }

    /// Takes a record of the control topic; `is_fresh`: it was written after reading began.
    pub(super) fn take(&mut self, record: &Message<'_>, now: Timestamp, is_fresh: bool) {
        let id = record.key.and_then(|key| std::str::from_utf8(key).ok());
        match (id, record.value) {
            (Some(id), None) => self.changed |= self.heard.remove(id).is_some(),
            (Some(id), Some(value)) => match Announcement::decode(value) {
                Ok(announcement) => self.note(id, announcement, now, is_fresh),
                Err(error) => self.warn(record.offset, &format!("{id}: {error}")),
            },
            (None, _) => self.warn(record.offset, "its key is not an instance id"),
        }
    }

    fn note(&mut self, id: &str, announcement: Announcement, now: Timestamp, is_fresh: bool) {
        if self.heard.len() >= INSTANCES_MAX && !self.heard.contains_key(id) {
            return;
        }
        let heard = Heard { announcement: Arc::new(announcement), at: now, is_alive: true, is_fresh };
        self.heard.insert(id.into(), heard);
        self.changed = true;
    }

    fn warn(&mut self, offset: i64, what: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                offset,
                what,
                "the control topic holds what cannot be read; it is skipped, as is more of it"
            );
        }
    }

    /// Takes those for gone who are silent, and shows what has changed. Returns whether something has.
    pub(super) fn look(&mut self, now: Timestamp) -> bool {
        for heard in self.heard.values_mut() {
            if heard.is_alive && now - heard.at > SILENT_MS {
                heard.is_alive = false;
                self.changed = true;
            }
        }
        let changed = std::mem::take(&mut self.changed);
        if changed {
            let instances = self.heard.iter().map(|(id, heard)| KnownInstance {
                instance_id: id.clone(),
                is_alive: heard.is_alive,
                announcement: heard.announcement.clone(),
            });
            self.shared.set(instances.collect());
        }
        changed
    }

    /// Those who have been gone for so long that the topic need not keep them.
    pub(super) fn to_forget(&self, now: Timestamp) -> Vec<Arc<str>> {
        self.heard.iter().filter(|(_, heard)| now - heard.at > FORGOTTEN_MS).map(|(id, _)| id.clone()).collect()
    }

    /// What an instance told last.
    pub(super) fn get(&self, instance_id: &str) -> Option<&Announcement> {
        self.heard.get(instance_id).map(|heard| &*heard.announcement)
    }

    /// Whether another instance is a member of the group, and whether one was heard after reading began.
    pub(super) fn others(&self, own_id: &str) -> (bool, bool) {
        let others = self.heard.iter().filter(|(id, heard)| ***id != *own_id && heard.is_member());
        others.fold((false, false), |(_, fresh), (_, heard)| (true, fresh || heard.is_fresh))
    }

    /// The members of the group in the order in which its assignor sorts them; with one more that is to join.
    pub(super) fn members(&self, joining: Option<(&str, &Announcement)>) -> Vec<Place> {
        let heard = self.heard.iter().filter(|(_, heard)| heard.is_member()).map(|(id, h)| (&**id, &*h.announcement));
        let mut members: BTreeMap<(&str, &str), &Announcement> =
            heard.map(|(id, announcement)| ((announcement.order.as_str(), id), announcement)).collect();
        if let Some((id, announcement)) = joining {
            members.insert((announcement.order.as_str(), id), announcement);
        }
        let place = |(_, id): (&str, &str), announcement: &Announcement| Place {
            instance_id: id.to_owned(),
            rack: announcement.rack.clone(),
        };
        members.into_iter().map(|(key, announcement)| place(key, announcement)).collect()
    }

    /// Who has each task by what instances told: a member of the group if one says so, else who had it last.
    pub(super) fn owners(&self, members: &[Place]) -> BTreeMap<TaskId, Owner> {
        let mut owners: BTreeMap<TaskId, Owner> = BTreeMap::new();
        for (id, heard) in &self.heard {
            let member = members.iter().position(|member| *member.instance_id == **id);
            for task in &heard.announcement.active {
                let known = owners.get(&task.task);
                if known.is_none_or(|known| known.member.is_none() && member.is_some()) {
                    owners.insert(task.task, Owner { member, rack: heard.announcement.rack.clone() });
                }
            }
        }
        owners
    }

    /// Whether another instance, which is a member of the group, says that this task is its own.
    pub(super) fn is_with_another(&self, own_id: &str, task: TaskId) -> bool {
        let others = self.heard.iter().filter(|(id, heard)| ***id != *own_id && heard.is_member());
        others.into_iter().any(|(_, heard)| heard.announcement.active.iter().any(|active| active.task == task))
    }

    /// The largest positions that instances tell of for a task that is active with them, changelog by changelog.
    pub(super) fn positions(&self, task: TaskId) -> Vec<i64> {
        let mut largest: Vec<i64> = Vec::new();
        let active = self.heard.values().flat_map(|heard| &heard.announcement.active);
        for announced in active.filter(|announced| announced.task == task) {
            largest.resize(largest.len().max(announced.positions.len()), -1);
            for (largest, position) in largest.iter_mut().zip(&announced.positions) {
                *largest = (*position).max(*largest);
            }
        }
        largest
    }

    /// The instances but this one that say that one of these tasks is theirs: for each the tasks.
    pub(super) fn claims(&self, own_id: &str, tasks: &BTreeSet<TaskId>, now: Timestamp) -> Vec<Claim> {
        let others = self.heard.iter().filter(|(id, _)| ***id != *own_id);
        let claims = others.map(|(id, heard)| {
            let active = heard.announcement.active.iter().map(|task| task.task);
            let tasks = active.filter(|task| tasks.contains(task)).collect();
            Claim {
                instance_id: id.clone(),
                tasks,
                transactional_ids: heard.announcement.transactional_ids.clone(),
                silent_ms: now - heard.at,
            }
        });
        claims.filter(|claim| !claim.tasks.is_empty()).collect()
    }
}

/// Tasks that an instance says are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) instance_id: Arc<str>,
    pub(super) tasks: Vec<TaskId>,
    pub(super) transactional_ids: Vec<String>,
    /// How long it has not been heard of, in ms.
    pub(super) silent_ms: i64,
}

impl Heard {
    fn is_member(&self) -> bool {
        self.is_alive && self.announcement.phase == AnnouncedPhase::Running
    }
}

#[cfg(test)]
mod tests {
    use super::super::announcement::AnnouncedTask;
    use super::*;
    use crate::record::Headers;

    fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Message<'a> {
        Message { offset: 5, timestamp: 0, key, value, headers: Headers::default() }
    }

    fn announcement(order: &str, active: &[i32]) -> Announcement {
        let task = |partition: &i32| AnnouncedTask {
            task: TaskId { sub_topology: 0, partition: *partition },
            positions: vec![*partition as i64, -1],
            lag: 0,
        };
        Announcement {
            active: active.iter().map(task).collect(),
            ..Announcement::new(order.to_owned(), AnnouncedPhase::Running)
        }
    }

    fn view(of: &[(&str, &str, &[i32], i64)]) -> View {
        let mut view = View::new(Arc::default());
        for (id, order, active, now) in of {
            view.take(&record(Some(id.as_bytes()), Some(&announcement(order, active).encode())), *now, false);
        }
        view
    }

    fn ids(members: &[Place]) -> Vec<&str> {
        members.iter().map(|member| member.instance_id.as_str()).collect()
    }

    #[test]
    fn members_are_those_that_are_heard_of_in_their_order() {
        let mut view = view(&[("x", "3", &[], 0), ("y", "1", &[], 5_000), ("z", "2", &[], 5_000)]);
        assert_eq!(ids(&view.members(None)), ["y", "z", "x"]);
        assert!(view.look(10_000) && !view.look(10_000));
        assert!(view.look(10_001), "x is taken for gone");
        assert_eq!(ids(&view.members(None)), ["y", "z"]);
        assert_eq!(ids(&view.members(Some(("w", &announcement("15", &[]))))), ["y", "w", "z"]);
        let known = view.shared.get();
        assert_eq!(known.iter().filter(|instance| instance.is_alive).count(), 2);
        view.take(&record(Some(b"z"), None), 0, true);
        assert_eq!(ids(&view.members(None)), ["y"]);
    }

    #[test]
    fn garbage_is_skipped() {
        let mut view = view(&[("x", "3", &[1], 0)]);
        for (key, value) in [(&b"x"[..], &b"{"[..]), (b"x", br#"{"version":9}"#), (&[0xff], b"{}")] {
            view.take(&record(Some(key), Some(value)), 0, true);
        }
        view.take(&record(None, None), 0, true);
        assert_eq!((ids(&view.members(None)), view.warned), (vec!["x"], true));
    }

    #[test]
    fn who_is_there_has_a_task_before_who_is_gone() {
        let mut view = view(&[("a", "a", &[0, 1], 0), ("b", "b", &[1, 2], 9_000)]);
        view.look(12_000);
        let members = view.members(None);
        let owners = view.owners(&members);
        let member = |partition| owners[&TaskId { sub_topology: 0, partition }].member;
        assert_eq!((ids(&members), member(0), member(1), member(2)), (vec!["b"], None, Some(0), Some(0)));
        assert_eq!(view.positions(TaskId { sub_topology: 0, partition: 2 }), [2, -1]);
        assert_eq!(view.positions(TaskId { sub_topology: 0, partition: 9 }), [0; 0]);
    }

    #[test]
    fn others_claim_what_they_did_not_let_go_of() {
        let mut view = view(&[("a", "a", &[0, 1], 0), ("b", "b", &[2], 9_000), ("c", "c", &[0], 9_000)]);
        view.look(12_000);
        let tasks = [0, 3].map(|partition| TaskId { sub_topology: 0, partition }).into();
        let claims = view.claims("c", &tasks, 12_000);
        assert_eq!(claims.len(), 1);
        assert_eq!((&*claims[0].instance_id, claims[0].silent_ms, claims[0].tasks.len()), ("a", 12_000, 1));
        assert_eq!(view.to_forget(FORGOTTEN_MS + 1), ["a".into()]);
    }

    #[test]
    fn only_what_was_written_since_proves_that_somebody_lives() {
        let mut view = view(&[("a", "a", &[], 0)]);
        assert_eq!((view.others("a"), view.others("b")), ((false, false), (true, false)));
        view.take(&record(Some(b"a"), Some(&announcement("a", &[]).encode())), 0, true);
        assert_eq!(view.others("b"), (true, true));
    }
}
