//! What instances know of each other: they tell of themselves on a control topic, and read what the others tell.
//!
//! From that follows where copies of tasks are kept (`placement.rs`), what an instance restores before it joins
//! (`warm_up.rs`), and whose transaction it ends when it takes over (`takeover.rs`). All of it only makes things faster: an
//! instance whose control topic cannot be read or written does its work as before.

mod announce;
mod announcement;
mod control;
mod fuzz;
mod placement;
mod range;
mod standby;
mod takeover;
mod view;
mod warm_up;

pub use announcement::{AnnouncedPhase, AnnouncedTask, Announcement};
pub use fuzz::control_topic;
pub use view::{KnownInstance, KnownInstances};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::control::Control;
use self::view::View;
use super::Application;
use crate::broker::Producer;
use crate::record::Timestamp;
use crate::task::TaskId;

/// What an instance knows of the others, and has told them.
pub(super) struct Instances {
    control: Control,
    view: View,
    shared: Arc<KnownInstances>,
    clock: Elapsed,
    producer: Option<Box<dyn Producer>>,
    /// What was told last, and when; nothing yet.
    told: Option<(Announcement, Timestamp)>,
    seen: announce::Seen,
    /// After a failure, nothing is told before then.
    tell_at: Timestamp,
    /// How many tasks each sub-topology has, once the broker was asked.
    counts: Option<Vec<i32>>,
    ask_counts_at: Timestamp,
    /// The standbys that each worker was told to keep.
    standbys: Vec<BTreeMap<TaskId, Vec<i64>>>,
    looked_at: Timestamp,
    warming: warm_up::Warming,
    /// Whether the group has given this instance something since it joined.
    was_assigned: bool,
    takeover: takeover::Takeover,
}

impl Instances {
    pub(super) fn new(application: &Application, workers: usize) -> Self {
        let shared = Arc::new(KnownInstances::default());
        Instances {
            control: Control::new(application.control_topic()),
            view: View::new(shared.clone()),
            shared,
            clock: Elapsed::default(),
            producer: None,
            told: None,
            seen: announce::Seen::default(),
            tell_at: Timestamp::MIN,
            counts: None,
            ask_counts_at: Timestamp::MIN,
            standbys: vec![BTreeMap::new(); workers],
            looked_at: Timestamp::MIN,
            warming: warm_up::Warming::default(),
            was_assigned: false,
            takeover: takeover::Takeover::default(),
        }
    }

    pub(super) fn shared(&self) -> Arc<KnownInstances> {
        self.shared.clone()
    }

    /// The group has given this instance partitions.
    pub(super) fn note_assigned(&mut self) {
        self.was_assigned = true;
        self.takeover.begin(self.clock.ms);
    }
}

/// Time as it passes here, in ms since the start: where the machine slept, or its clock was set, the others were not silent.
#[derive(Default)]
struct Elapsed {
    ms: i64,
    last: Option<Timestamp>,
}

/// By how much time goes on at once, at most.
const ONE_STEP_MS: i64 = 1_000;

impl Elapsed {
    fn advance(&mut self, now: Timestamp) {
        let passed = self.last.map_or(0, |last| now.saturating_sub(last));
        self.ms += passed.clamp(0, ONE_STEP_MS);
        self.last = Some(now);
    }
}

impl super::Instance {
    /// The instances of the application, as they tell of themselves; can be read from other threads.
    pub fn instances(&self) -> Arc<KnownInstances> {
        self.instances.shared()
    }

    /// Hears what others tell, tells of this instance, and does what follows. Waits for nothing that is away for long.
    pub(super) fn coordinate(&mut self) {
        // The workers are told the time; an instance is not.
        let now = self.workers.iter().map(|worker| worker.moved_at()).max().unwrap_or_default();
        self.instances.clock.advance(now);
        self.hear();
        self.keep_standbys();
        self.tell(now);
        self.take_over();
    }

    /// Takes what is new on the control topic.
    fn hear(&mut self) {
        let Instances { control, view, clock, .. } = &mut self.instances;
        control.read(&*self.broker, clock.ms, &mut |record, is_fresh| view.take(record, clock.ms, is_fresh));
        if view.look(clock.ms) {
            self.instances.looked_at = Timestamp::MIN;
        }
        let Instances { control, view, warming, told, .. } = &mut self.instances;
        if told.is_none() && control.is_complete() {
            warming.before = view.get(&self.application.options.instance_id).cloned();
        }
    }

    /// How many tasks each sub-topology has; `None` as long as the broker does not say.
    fn counts(&mut self) -> Option<Vec<i32>> {
        let now = self.instances.clock.ms;
        if self.instances.counts.is_none() && now >= self.instances.ask_counts_at {
            match self.application.task_counts(&*self.broker) {
                Ok(counts) => self.instances.counts = Some(counts),
                Err(error) => {
                    tracing::warn!(%error, "how many tasks there are is not known yet");
                    self.instances.ask_counts_at = now + control::AGAIN_MS;
                }
            }
        }
        self.instances.counts.clone()
    }

    /// The tasks all of whose inputs the group has given to this instance, or some.
    fn own_tasks(&self) -> BTreeSet<TaskId> {
        let pending = self.assigned.iter().flatten();
        self.owned.keys().chain(pending).filter_map(|partition| self.task_of(partition)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_sleeping_or_its_clock_being_set_is_no_silence_of_others() {
        let mut clock = Elapsed::default();
        for (now, ms) in [(5_000, 0), (5_300, 300), (900_000, 1_300), (1_000, 1_300), (1_001, 1_301)] {
            clock.advance(now);
            assert_eq!(clock.ms, ms, "at {now}");
        }
    }
}
