use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millstream::worker::{TaskState, TaskStatus, WorkerStatus};
use serde_json::json;

use crate::run::now_ms;
use crate::stop::Stop;

/// A worker that has not moved for longer is taken for stuck; an idle one moves several times a second.
const STUCK_MS: i64 = 30_000;

/// What HTTP tells of the process.
pub(crate) struct Health {
    /// None before the instance has joined its group.
    workers: OnceLock<Vec<Arc<WorkerStatus>>>,
    stop: Arc<Stop>,
    /// Why nothing is read, if so.
    no_intake: Mutex<Option<String>>,
}

impl Health {
    pub(crate) fn new(stop: Arc<Stop>) -> Self {
        Health { workers: OnceLock::new(), stop, no_intake: Mutex::default() }
    }

    /// Called once, when the workers begin.
    pub(crate) fn set_workers(&self, workers: Vec<Arc<WorkerStatus>>) {
        for worker in &workers {
            // So a worker that never takes its first step is found too.
            worker.moved_at.fetch_max(now_ms(), Ordering::Relaxed);
        }
        let _ = self.workers.set(workers);
    }

    pub(crate) fn workers(&self) -> &[Arc<WorkerStatus>] {
        self.workers.get().map_or(&[], Vec::as_slice)
    }

    /// Says why nothing is read; `None` for that there is no reason any more.
    pub(crate) fn set_no_intake(&self, reason: Option<String>) {
        *self.no_intake.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn phase(&self) -> &'static str {
        match (self.stop.is_requested(), self.workers.get()) {
            (true, _) => "stopping",
            (false, None) => "starting",
            (false, Some(_)) => "running",
        }
    }

    /// Whether every worker moves, with those that do not as text.
    pub(crate) fn live(&self, now: i64) -> Result<String, String> {
        let still = self.workers().iter().map(|worker| now - worker.moved_at.load(Ordering::Relaxed)).enumerate();
        let stuck: Vec<String> = still
            .filter(|(_, ms)| *ms > STUCK_MS)
            .map(|(index, ms)| format!("worker {index} has not moved for {} s\n", ms / 1000))
            .collect();
        if stuck.is_empty() { Ok(format!("{}\n", self.phase())) } else { Err(stuck.concat()) }
    }

    /// Whether every assigned task is restored, with all tasks as JSON.
    pub(crate) fn ready(&self) -> Result<String, String> {
        let workers = self.workers().iter().enumerate();
        let tasks = workers.flat_map(|(index, worker)| worker.tasks().into_iter().map(move |task| (index, task)));
        let no_intake = self.no_intake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        readiness(self.phase(), &tasks.collect::<Vec<_>>(), no_intake.as_deref())
    }
}

fn readiness(phase: &str, tasks: &[(usize, TaskStatus)], no_intake: Option<&str>) -> Result<String, String> {
    let is_ready =
        phase == "running" && no_intake.is_none() && tasks.iter().all(|(_, task)| task.state == TaskState::Running);
    let tasks: Vec<_> = tasks
        .iter()
        .map(|(worker, task)| match task.state {
            TaskState::Running => json!({ "task": task.id.to_string(), "worker": worker, "state": "running" }),
            TaskState::Restoring { restored, total } => json!({
                "task": task.id.to_string(), "worker": worker, "state": "restoring", "restored": restored, "total": total,
            }),
        })
        .collect();
    let mut body = json!({ "ready": is_ready, "phase": phase, "tasks": tasks });
    if let Some(reason) = no_intake {
        body["reason"] = reason.into();
    }
    let body = format!("{body}\n");
    if is_ready { Ok(body) } else { Err(body) }
}

#[cfg(test)]
mod tests {
    use millstream::task::TaskId;

    use super::*;

    fn task(sub_topology: usize, state: TaskState) -> TaskStatus {
        TaskStatus { id: TaskId { sub_topology, partition: 3 }, state }
    }

    #[test]
    fn is_ready_when_every_task_is_restored() {
        let restored = [(0, task(0, TaskState::Running)), (1, task(1, TaskState::Running))];
        assert_eq!(
            readiness("running", &restored, None).unwrap(),
            "{\"phase\":\"running\",\"ready\":true,\"tasks\":[\
             {\"state\":\"running\",\"task\":\"0_3\",\"worker\":0},{\"state\":\"running\",\"task\":\"1_3\",\"worker\":1}]}\n"
        );
        let one_is_not =
            [(0, task(0, TaskState::Running)), (1, task(1, TaskState::Restoring { restored: 5, total: 9 }))];
        assert_eq!(
            readiness("running", &one_is_not, None).unwrap_err(),
            "{\"phase\":\"running\",\"ready\":false,\"tasks\":[\
             {\"state\":\"running\",\"task\":\"0_3\",\"worker\":0},\
             {\"restored\":5,\"state\":\"restoring\",\"task\":\"1_3\",\"total\":9,\"worker\":1}]}\n"
        );
    }

    #[test]
    fn is_not_ready_before_and_after() {
        let stop = Arc::new(Stop::default());
        let health = Health::new(stop.clone());
        assert_eq!(health.ready().unwrap_err(), "{\"phase\":\"starting\",\"ready\":false,\"tasks\":[]}\n");
        health.set_workers(vec![Arc::default()]);
        assert_eq!(health.ready().unwrap(), "{\"phase\":\"running\",\"ready\":true,\"tasks\":[]}\n");
        stop.request();
        assert_eq!(health.ready().unwrap_err(), "{\"phase\":\"stopping\",\"ready\":false,\"tasks\":[]}\n");
    }

    #[test]
    fn is_live_while_every_worker_moves() {
        let health = Health::new(Arc::default());
        let now = now_ms();
        assert_eq!(health.live(now).unwrap(), "starting\n");
        health.set_workers(vec![Arc::default(), Arc::default()]);
        assert_eq!(health.live(now).unwrap(), "running\n");
        health.workers()[0].moved_at.store(now + 1_000, Ordering::Relaxed);
        health.workers()[1].moved_at.store(now - STUCK_MS, Ordering::Relaxed);
        assert_eq!(health.live(now).unwrap(), "running\n");
        assert_eq!(health.live(now + 1).unwrap_err(), "worker 1 has not moved for 30 s\n");
        // A worker that waits for records is stepped all the same: idleness excuses nothing.
        health.workers()[1].is_idle.store(true, Ordering::Relaxed);
        assert_eq!(health.live(now + 31_000).unwrap_err(), "worker 1 has not moved for 61 s\n");
    }
}
