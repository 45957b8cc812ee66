use crate::record::Timestamp;
use crate::time::Mark;

/// What a task tells when it has come to the end of a run.
pub(super) const END_OF_RUN: Timestamp = Timestamp::MAX;

/// What the tasks that write a repartition topic have said about the time that they have come to.
#[derive(Default)]
pub(crate) struct Upstream {
    known: Vec<Known>,
    /// The same at the last commit; `None` while nothing has changed since.
    committed: Option<Vec<Known>>,
}

/// What is known of one sub-topology that writes the topic: its tasks by their partitions, as soon as one has spoken.
#[derive(Clone)]
struct Known {
    sub_topology: usize,
    tasks: Vec<Option<Said>>,
}

#[derive(Clone, Copy)]
struct Said {
    time: Timestamp,
    is_idle: bool,
}

/// What the upstream tasks have come to, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// A task that exists has not spoken yet.
    Unknown,
    /// The smallest time of those that are not idle.
    Time(Timestamp),
    /// All are idle; the largest time of them.
    Idle(Timestamp),
}

impl Upstream {
    /// Of the sub-topologies with these numbers.
    pub(super) fn new(sub_topologies: &[usize]) -> Self {
        let known = sub_topologies.iter().map(|sub| Known { sub_topology: *sub, tasks: Vec::new() }).collect();
        Upstream { known, committed: None }
    }

    /// Whether anybody is listened to.
    pub(super) fn is_used(&self) -> bool {
        !self.known.is_empty()
    }

    pub(super) fn note(&mut self, mark: Mark) {
        // One from before a change of the topology is of no use.
        let Some(index) = self.known.iter().position(|known| known.sub_topology == mark.sub_topology as usize) else {
            return;
        };
        self.committed.get_or_insert_with(|| self.known.clone());
        let tasks = &mut self.known[index].tasks;
        tasks.resize(mark.tasks as usize, None);
        if let Some(said) = tasks.get_mut(mark.partition as usize) {
            *said = Some(Said { time: mark.time, is_idle: mark.is_idle });
        }
    }

    /// Whether all of them have come to the end of a run. One that is idle has not.
    pub(super) fn is_at_end(&self) -> bool {
        let is_at_end = |said: &Option<Said>| said.is_some_and(|said| said.time == END_OF_RUN);
        self.known.iter().all(|known| !known.tasks.is_empty() && known.tasks.iter().all(is_at_end))
    }

    pub(super) fn reached(&self) -> Reached {
        let (mut active, mut idle) = (None, Timestamp::MIN);
        for known in &self.known {
            if known.tasks.is_empty() {
                return Reached::Unknown;
            }
            for said in &known.tasks {
                match said {
                    None => return Reached::Unknown,
                    Some(said) if said.is_idle => idle = idle.max(said.time),
                    Some(said) => active = Some(active.map_or(said.time, |time: Timestamp| time.min(said.time))),
                }
            }
        }
        active.map_or(Reached::Idle(idle), Reached::Time)
    }

    pub(super) fn commit(&mut self) {
        self.committed = None;
    }

    pub(super) fn rollback(&mut self) {
        if let Some(committed) = self.committed.take() {
            self.known = committed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{END_OF_RUN, Reached, Upstream};
    use crate::time::Mark;

    fn mark(partition: u32, time: i64, is_idle: bool) -> Mark {
        Mark { sub_topology: 3, partition, tasks: 2, time, is_idle }
    }

    #[test]
    fn the_slowest_task_that_is_not_idle_decides() {
        let mut upstream = Upstream::new(&[3]);
        assert_eq!(upstream.reached(), Reached::Unknown);
        upstream.note(mark(0, 50, false));
        assert_eq!(upstream.reached(), Reached::Unknown, "the other task exists");
        upstream.note(mark(1, 20, false));
        assert_eq!(upstream.reached(), Reached::Time(20));
        upstream.commit();
        upstream.note(mark(1, 20, true));
        assert_eq!(upstream.reached(), Reached::Time(50));
        upstream.note(mark(0, 60, true));
        assert_eq!(upstream.reached(), Reached::Idle(60));
        upstream.rollback();
        assert_eq!(upstream.reached(), Reached::Time(20));
    }

    #[test]
    fn a_run_ends_when_each_task_says_so_and_an_idle_one_has_not() {
        let mut upstream = Upstream::new(&[3]);
        upstream.note(mark(0, END_OF_RUN, false));
        assert!(!upstream.is_at_end(), "the other task exists");
        upstream.note(mark(1, 20, true));
        assert!(!upstream.is_at_end());
        upstream.note(mark(1, END_OF_RUN, false));
        assert!(upstream.is_at_end());
        upstream.note(mark(0, 50, false));
        assert!(!upstream.is_at_end(), "it goes on, in a later run");
    }

    #[test]
    fn sub_topologies_that_do_not_write_the_topic_say_nothing() {
        let mut upstream = Upstream::new(&[1]);
        upstream.note(mark(0, 50, false));
        assert_eq!(upstream.reached(), Reached::Unknown);
    }
}
