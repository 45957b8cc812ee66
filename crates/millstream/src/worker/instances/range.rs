use crate::task::TaskId;

/// The tasks of a topology, by how many each sub-topology has.
pub(super) fn tasks(counts: &[i32]) -> impl Iterator<Item = TaskId> + '_ {
    let numbered = counts.iter().enumerate();
    numbered.flat_map(|(sub_topology, count)| (0..*count).map(move |partition| TaskId { sub_topology, partition }))
}

/// Whether the topology has this task.
pub(super) fn has_task(counts: &[i32], task: TaskId) -> bool {
    counts.get(task.sub_topology).is_some_and(|count| (0..*count).contains(&task.partition))
}

/// Which of so many members, in their order, Kafka's range assignor gives the partitions of this number to: each member gets
/// a run of them, the first ones one more where they cannot be shared out evenly. `None` without members.
pub(super) fn owner(partition: i32, partitions: i32, members: usize) -> Option<usize> {
    let members_count = i32::try_from(members).ok().filter(|count| *count > 0)?;
    let (each, more) = (partitions / members_count, partitions % members_count);
    let in_longer_runs = more * (each + 1);
    let member = match partition < in_longer_runs {
        true => partition / (each + 1),
        false => more + (partition - in_longer_runs) / each.max(1),
    };
    usize::try_from(member).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_get_runs_of_partitions() {
        let owners = |partitions: i32, members: usize| {
            (0..partitions).map(|partition| owner(partition, partitions, members).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(owners(7, 3), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(owners(6, 3), [0, 0, 1, 1, 2, 2]);
        assert_eq!(owners(2, 3), [0, 1]);
        assert_eq!(owners(3, 1), [0, 0, 0]);
        assert_eq!(owner(0, 3, 0), None);
    }

    #[test]
    fn tasks_are_those_of_the_counts() {
        let task = |sub_topology, partition| TaskId { sub_topology, partition };
        assert_eq!(tasks(&[2, 1]).collect::<Vec<_>>(), [task(0, 0), task(0, 1), task(1, 0)]);
        assert!(has_task(&[2, 1], task(0, 1)) && !has_task(&[2, 1], task(1, 1)));
        assert!(!has_task(&[2, 1], task(2, 0)) && !has_task(&[2, 1], task(0, -1)));
    }
}
