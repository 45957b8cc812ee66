use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millstream::broker::{Away, Broker};
use millstream::worker::{Application, InstanceStatus, Phase, StateServer, TaskState, TaskStatus, WorkerStatus};
use serde_json::{Value, json};

use crate::restore::Restore;
use crate::run::now_ms;
use crate::stop::Stop;
use crate::watchdog::Watchdog;

/// The thread of the group may wait for the broker's answers for longer than a worker is taken for stuck: so many times.
const GROUP_PART: i64 = 6;

/// What HTTP tells of the process.
pub(crate) struct Health {
    /// None before the workers begin.
    workers: OnceLock<Vec<Arc<WorkerStatus>>>,
    instance: OnceLock<Arc<InstanceStatus>>,
    broker: OnceLock<Arc<dyn Broker>>,
    /// When the broker was last seen to be away: a worker that waits for it is not stuck.
    away_at: AtomicI64,
    watchdog: Watchdog,
    stuck_after_ms: i64,
    stop: Arc<Stop>,
    /// Why nothing is read, if so.
    no_intake: Mutex<Option<String>>,
}

impl Health {
    /// `stuck_after_ms`: a worker that has not moved for longer is taken for stuck; an idle one moves several times a second.
    pub(crate) fn new(stop: Arc<Stop>, stuck_after_ms: i64) -> Self {
        Health {
            workers: OnceLock::new(),
            instance: OnceLock::new(),
            broker: OnceLock::new(),
            away_at: AtomicI64::new(i64::MIN),
            watchdog: Watchdog::new(stuck_after_ms),
            stuck_after_ms,
            stop,
            no_intake: Mutex::default(),
        }
    }

    /// Called once, when the instance begins.
    pub(crate) fn set_instance(&self, instance: Arc<InstanceStatus>) {
        self.set_workers(instance.workers.clone());
        let _ = self.instance.set(instance);
    }

    /// The way to the state of the instance's tasks; none before it begins.
    pub(crate) fn states(&self) -> Option<&StateServer> {
        self.instance.get().map(|instance| &instance.states)
    }

    /// Called once, before the instance begins.
    pub(crate) fn set_application(&self, application: Arc<Application>) {
        self.watchdog.set_application(application);
    }

    /// Called once, when there is a broker.
    pub(crate) fn set_broker(&self, broker: Arc<dyn Broker>) {
        let _ = self.broker.set(broker);
    }

    pub(crate) fn broker(&self) -> Option<&Arc<dyn Broker>> {
        self.broker.get()
    }

    fn away(&self) -> Option<Away> {
        self.broker()?.away()
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
            (false, Some(_)) if self.is_warming() => "warming",
            (false, Some(_)) => "running",
        }
    }

    /// Whether the instance restores what it will be given, and has not joined its group yet.
    fn is_warming(&self) -> bool {
        self.instance.get().is_some_and(|instance| instance.phase() == Phase::Warming)
    }

    /// Whether every worker moves, and the group's thread, with those that do not as text; to be asked about once a second, as
    /// it also writes to the log who does not.
    pub(crate) fn live(&self, now: i64) -> Result<String, String> {
        let is_away = self.away().is_some();
        if is_away {
            self.away_at.store(now, Ordering::Relaxed);
        }
        self.watchdog.look(self.workers(), is_away, now);
        let mut stuck: Vec<String> = self.watchdog.stuck(now).iter().map(|stuck| format!("{stuck}\n")).collect();
        let polled_at = self.instance.get().map_or(0, |instance| instance.polled_at.load(Ordering::Relaxed));
        let still_ms = now - polled_at.max(self.away_at.load(Ordering::Relaxed));
        if polled_at > 0 && still_ms > GROUP_PART * self.stuck_after_ms {
            stuck.push(format!("the group's thread has not moved for {} s\n", still_ms / 1000));
        }
        if stuck.is_empty() { Ok(format!("{}\n", self.phase())) } else { Err(stuck.concat()) }
    }

    /// Whether every assigned task is restored, with all tasks as JSON; standbys are not waited for.
    pub(crate) fn ready(&self) -> Result<String, String> {
        let workers = self.workers().iter().enumerate();
        let tasks = workers.flat_map(|(index, worker)| worker.tasks().into_iter().map(move |task| (index, task)));
        let no_intake = self.no_intake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        readiness(self.phase(), &tasks.collect::<Vec<_>>(), self.away(), no_intake.as_deref())
    }
}

fn readiness(
    phase: &str,
    tasks: &[(usize, TaskStatus)],
    away: Option<Away>,
    no_intake: Option<&str>,
) -> Result<String, String> {
    let is_restoring = tasks.iter().any(|(_, task)| matches!(task.state, TaskState::Restoring { .. }));
    let is_ready = phase == "running" && away.is_none() && no_intake.is_none() && !is_restoring;
    let restore = restore_json(&Restore::of(tasks.iter().map(|(_, task)| task)));
    let tasks: Vec<_> = tasks
        .iter()
        .map(|(worker, task)| match task.state {
            TaskState::Running => json!({ "task": task.id.to_string(), "worker": worker, "state": "running" }),
            TaskState::Standby { lag } => {
                json!({ "task": task.id.to_string(), "worker": worker, "state": "standby", "lag": lag })
            }
            TaskState::Restoring { restored, total, records_per_second, seconds_left } => json!({
                "task": task.id.to_string(), "worker": worker, "state": "restoring", "restored": restored, "total": total,
                "records_per_second": records_per_second, "seconds_left": seconds_left,
            }),
        })
        .collect();
    let mut body = json!({ "ready": is_ready, "phase": phase, "tasks": tasks });
    if let Some(restore) = restore {
        body["restore"] = restore;
    }
    if let Some(away) = away {
        body["broker"] = json!({ "away_seconds": away.since.as_secs(), "error": away.reason });
    }
    if let Some(reason) = no_intake {
        body["reason"] = reason.into();
    }
    let body = format!("{body}\n");
    if is_ready { Ok(body) } else { Err(body) }
}

fn restore_json(all: &Restore) -> Option<Value> {
    let Restore { tasks, restored, total, records_per_second, .. } = all;
    (*tasks > 0).then(|| {
        json!({
            "tasks": tasks, "restored": restored, "total": total, "records_per_second": records_per_second,
            "seconds_left": all.seconds_left(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream::task::TaskId;

    use super::*;

    fn task(sub_topology: usize, state: TaskState) -> TaskStatus {
        TaskStatus { id: TaskId { sub_topology, partition: 3 }, state }
    }

    #[test]
    fn is_ready_when_every_task_is_restored() {
        let restored = [(0, task(0, TaskState::Running)), (1, task(1, TaskState::Running))];
        assert_eq!(
            readiness("running", &restored, None, None).unwrap(),
            "{\"phase\":\"running\",\"ready\":true,\"tasks\":[\
             {\"state\":\"running\",\"task\":\"0_3\",\"worker\":0},{\"state\":\"running\",\"task\":\"1_3\",\"worker\":1}]}\n"
        );
        let restoring = TaskState::Restoring { restored: 5, total: 9, records_per_second: 2, seconds_left: Some(3) };
        let one_is_not = [(0, task(0, TaskState::Running)), (1, task(1, restoring))];
        let with_standby = [(0, task(0, TaskState::Running)), (1, task(1, TaskState::Standby { lag: 7 }))];
        assert_eq!(
            readiness("running", &with_standby, None, None).unwrap(),
            "{\"phase\":\"running\",\"ready\":true,\"tasks\":[\
             {\"state\":\"running\",\"task\":\"0_3\",\"worker\":0},\
             {\"lag\":7,\"state\":\"standby\",\"task\":\"1_3\",\"worker\":1}]}\n"
        );
        assert!(
            readiness("warming", &with_standby, None, None)
                .unwrap_err()
                .contains("\"phase\":\"warming\",\"ready\":false")
        );
        assert_eq!(
            readiness("running", &one_is_not, None, None).unwrap_err(),
            "{\"phase\":\"running\",\"ready\":false,\
             \"restore\":{\"records_per_second\":2,\"restored\":5,\"seconds_left\":2,\"tasks\":1,\"total\":9},\"tasks\":[\
             {\"state\":\"running\",\"task\":\"0_3\",\"worker\":0},\
             {\"records_per_second\":2,\"restored\":5,\"seconds_left\":3,\"state\":\"restoring\",\"task\":\"1_3\",\
             \"total\":9,\"worker\":1}]}\n"
        );
    }

    #[test]
    fn is_not_ready_while_no_broker_answers() {
        let away = Away { since: Duration::from_millis(3_500), reason: "refused".to_owned() };
        assert_eq!(
            readiness("running", &[], Some(away), None).unwrap_err(),
            "{\"broker\":{\"away_seconds\":3,\"error\":\"refused\"},\"phase\":\"running\",\"ready\":false,\"tasks\":[]}\n"
        );
    }

    #[test]
    fn is_not_ready_before_and_after() {
        let stop = Arc::new(Stop::default());
        let health = Health::new(stop.clone(), 30_000);
        assert_eq!(health.ready().unwrap_err(), "{\"phase\":\"starting\",\"ready\":false,\"tasks\":[]}\n");
        health.set_workers(vec![Arc::default()]);
        assert_eq!(health.ready().unwrap(), "{\"phase\":\"running\",\"ready\":true,\"tasks\":[]}\n");
        stop.request();
        assert_eq!(health.ready().unwrap_err(), "{\"phase\":\"stopping\",\"ready\":false,\"tasks\":[]}\n");
    }

    #[test]
    fn is_live_while_every_worker_moves() {
        let health = Health::new(Arc::default(), 30_000);
        let now = now_ms();
        assert_eq!(health.live(now).unwrap(), "starting\n");
        health.set_workers(vec![Arc::default(), Arc::default()]);
        assert_eq!(health.live(now).unwrap(), "running\n");
        health.workers()[0].moved_at.store(now + 1_000, Ordering::Relaxed);
        health.workers()[1].moved_at.store(now - 30_000, Ordering::Relaxed);
        assert_eq!(health.live(now).unwrap(), "running\n");
        assert_eq!(health.live(now + 1).unwrap_err(), "worker 1 has not moved for 30 s\n");
        // A worker that waits for records is stepped all the same: idleness excuses nothing.
        health.workers()[1].is_idle.store(true, Ordering::Relaxed);
        health.workers()[0].moved_at.store(now + 30_999, Ordering::Relaxed);
        assert_eq!(health.live(now + 31_000).unwrap_err(), "worker 1 has not moved for 61 s\n");
    }
}
