use std::collections::BTreeSet;
use std::sync::Arc;

use super::announce::TELL_MS;
use super::view::Claim;
use crate::broker::ErrorKind;
use crate::record::Timestamp;
use crate::task::TaskId;
use crate::worker::instance::worker_of;
use crate::worker::{Guarantee, Instance, Phase, TaskState};

/// Who is alive tells of itself more often than that, in ms. With a session timeout that is longer, whoever the group has thrown
/// out is overdue by then.
const OVERDUE_MS: i64 = TELL_MS + 500;

/// A task that cannot run for so long, in ms, while another instance says that it has it: that one was told otherwise by the
/// group and has had time to say so.
const STUCK_MS: i64 = TELL_MS + 1_000;

/// How long after an assignment, in ms, transactions of those who had the tasks before are looked for.
const LOOK_MS: i64 = 60_000;

/// What is done about transactions that others left open when their tasks came here.
#[derive(Default)]
pub(super) struct Takeover {
    /// When the group last gave this instance something.
    since: Option<Timestamp>,
    /// Whose transactions were ended since.
    done: BTreeSet<Arc<str>>,
}

impl Takeover {
    pub(super) fn begin(&mut self, now: Timestamp) {
        *self = Takeover { since: Some(now), ..Takeover::default() };
    }
}

impl Instance {
    /// Ends the transactions of instances that had tasks before that are here now, and did not let go of them.
    pub(in crate::worker) fn take_over(&mut self) {
        let now = self.instances.clock.ms;
        let is_over = self.instances.takeover.since.is_none_or(|since| now - since > LOOK_MS);
        let is_transactional = self.application.options.guarantee == Guarantee::ExactlyOnce;
        if is_over || !is_transactional || self.phase != Phase::Running {
            return;
        }
        let own = self.own_tasks();
        let claims = self.instances.view.claims(&self.application.options.instance_id, &own, now);
        let claims: Vec<Claim> =
            claims.into_iter().filter(|claim| !self.instances.takeover.done.contains(&claim.instance_id)).collect();
        if claims.is_empty() {
            return;
        }
        let running = self.running_tasks();
        for claim in claims {
            let Takeover { since, done } = &mut self.instances.takeover;
            let is_stuck = claim.tasks.iter().any(|task| !running.contains(task))
                && since.is_some_and(|since| now - since >= STUCK_MS);
            if claim.silent_ms >= OVERDUE_MS || is_stuck {
                done.insert(claim.instance_id.clone());
                self.end_transactions(&claim);
            }
        }
    }

    fn end_transactions(&mut self, claim: &Claim) {
        let ids = &claim.transactional_ids;
        let workers: BTreeSet<usize> =
            claim.tasks.iter().filter(|_| !ids.is_empty()).map(|task| worker_of(*task, ids.len())).collect();
        // Whatever the topic says, nobody's but that instance's.
        let of_instance = format!("{}-{}-", self.application.options.application_id, claim.instance_id);
        let ids = workers.into_iter().map(|worker| ids[worker].as_str());
        let ids: Vec<&str> = ids
            .filter(|id| id.strip_prefix(&of_instance).is_some_and(|worker| worker.parse::<usize>().is_ok()))
            .collect();
        let Some(member) = self.member.as_mut().filter(|_| !ids.is_empty()) else { return };
        tracing::info!(instance_id = %claim.instance_id, ?ids, "ending the transactions of who had tasks before");
        if let Err(error) = member.fence(&ids) {
            tracing::warn!(%error, "a transaction is not ended; its timeout ends it");
            if error.kind == ErrorKind::Retry {
                self.instances.takeover.done.remove(&claim.instance_id);
            }
        }
    }

    fn running_tasks(&self) -> BTreeSet<TaskId> {
        let tasks = self.workers.iter().flat_map(|worker| worker.status.tasks());
        tasks.filter(|task| task.state == TaskState::Running).map(|task| task.id).collect()
    }
}
