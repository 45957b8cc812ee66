use std::collections::BTreeMap;

use super::{placement, range};
use crate::task::TaskId;
use crate::worker::instance::worker_of;
use crate::worker::message::Command;
use crate::worker::{Instance, Phase};

/// How often, in ms, workers are told how far they may read, where nothing else has changed.
const LOOK_MS: i64 = 1_000;

impl Instance {
    /// Tells workers which standbys to keep, if that has changed.
    pub(super) fn keep_standbys(&mut self) {
        let now = self.instances.clock.ms;
        let wants = self.phase == Phase::Warming || self.application.options.standby_replicas > 0;
        let has_some = self.instances.standbys.iter().any(|tasks| !tasks.is_empty());
        if !(wants || has_some) || (self.instances.looked_at != i64::MIN && now - self.instances.looked_at < LOOK_MS) {
            return;
        }
        // While tasks move nothing is decided anew: what was told is needed just now.
        let is_moving = self.assigned.is_some() || self.closing.is_some() || !self.instances.was_assigned;
        if (self.phase == Phase::Running && is_moving) || self.phase == Phase::Stopping {
            return;
        }
        if self.phase == Phase::Warming && !self.instances.control.is_complete() {
            return;
        }
        let Some(counts) = self.counts() else { return };
        self.instances.looked_at = now;
        let tasks = match self.phase {
            Phase::Warming => self.tasks_to_be(&counts),
            _ => self.tasks_to_copy(&counts),
        };
        let own = self.own_tasks();
        let subs = &self.application.topology.sub_topologies;
        let keeps_state = |task: &TaskId| subs[task.sub_topology].stores.iter().any(|store| store.changelog.is_some());
        let tasks = tasks.into_iter().filter(|task| !own.contains(task) && keeps_state(task));
        let mut wanted = vec![BTreeMap::new(); self.workers.len()];
        for task in tasks {
            wanted[worker_of(task, self.workers.len())].insert(task, self.instances.view.positions(task));
        }
        for (index, wanted) in wanted.into_iter().enumerate() {
            if self.instances.standbys[index] != wanted {
                self.workers[index].tell(Command::Standby(wanted.clone()));
                self.instances.standbys[index] = wanted;
            }
        }
    }

    /// The tasks that this instance would have if it joined.
    fn tasks_to_be(&self, counts: &[i32]) -> Vec<TaskId> {
        let id = &self.application.options.instance_id;
        let announcement = self.announcement();
        let members = self.instances.view.members(Some((id, &announcement)));
        let own = members.iter().position(|member| member.instance_id == *id);
        let owner = |task: &TaskId| range::owner(task.partition, counts[task.sub_topology], members.len());
        range::tasks(counts).filter(|task| owner(task) == own).collect()
    }

    /// The tasks of others that this instance is to keep copies of.
    fn tasks_to_copy(&self, counts: &[i32]) -> Vec<TaskId> {
        let Instance { instances, application, .. } = self;
        let members = instances.view.members(None);
        let Some(own) = members.iter().position(|member| member.instance_id == application.options.instance_id) else {
            return Vec::new();
        };
        let mut owners = instances.view.owners(&members);
        owners.retain(|task, _| range::has_task(counts, *task));
        let placed = placement::place(&members, counts, &owners, application.options.standby_replicas);
        placed.into_iter().filter(|(_, places)| places.contains(&own)).map(|(task, _)| task).collect()
    }

    /// For each standby told of, whether it is as complete as it need be for the task to move here.
    pub(super) fn are_standbys_ready(&self) -> bool {
        let limit = self.application.options.acceptable_recovery_lag;
        let told = self.instances.standbys.iter().zip(&self.workers);
        told.into_iter().all(|(tasks, worker)| {
            let kept = worker.status.tasks();
            tasks.keys().all(|task| kept.iter().any(|kept| kept.id == *task && kept.is_standby_within(limit)))
        })
    }
}
