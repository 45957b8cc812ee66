//! How far the restores of several tasks are, taken together.

use millstream::worker::{TaskState, TaskStatus};

/// All tasks that are being restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restore {
    pub(crate) tasks: usize,
    pub(crate) restored: u64,
    pub(crate) total: u64,
    pub(crate) records_per_second: u64,
}

impl Restore {
    pub(crate) fn of<'a>(tasks: impl Iterator<Item = &'a TaskStatus>) -> Self {
        tasks.fold(Restore::default(), |all, task| match task.state {
            TaskState::Running | TaskState::Standby { .. } => all,
            TaskState::Restoring { restored, total, records_per_second, .. } => Restore {
                tasks: all.tasks + 1,
                restored: all.restored + restored.min(total),
                total: all.total + total,
                records_per_second: all.records_per_second + records_per_second,
            },
        })
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.total - self.restored
    }

    /// About how long it takes, in s; `None` while nothing comes. Offsets without a record make it look longer.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        (self.records_per_second > 0).then(|| self.remaining().div_ceil(self.records_per_second))
    }
}

#[cfg(test)]
mod tests {
    use millstream::task::TaskId;

    use super::*;

    fn task(state: TaskState) -> TaskStatus {
        TaskStatus { id: TaskId { sub_topology: 0, partition: 0 }, state }
    }

    #[test]
    fn adds_up_what_is_restored_and_how_fast() {
        let restoring = |restored, total, records_per_second| {
            task(TaskState::Restoring { restored, total, records_per_second, seconds_left: None })
        };
        let tasks = [restoring(10, 100, 30), task(TaskState::Running), restoring(0, 50, 10), restoring(0, 20, 0)];
        let all = Restore::of(tasks.iter());
        assert_eq!((all.tasks, all.restored, all.total, all.records_per_second), (3, 10, 170, 40));
        assert_eq!((all.remaining(), all.seconds_left()), (160, Some(4)));
        assert_eq!(Restore::of(tasks[3..].iter()).seconds_left(), None);
        assert_eq!(Restore::of(tasks[1..2].iter()), Restore::default());
    }
}
