use std::collections::BTreeMap;

use super::range;
use crate::task::TaskId;

/// A member of the group, for where copies are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) instance_id: String,
    pub(super) rack: Option<String>,
}

/// Who has a task, for where its copies are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Its place among the members; `None` for one that is gone.
    pub(super) member: Option<usize>,
    pub(super) rack: Option<String>,
}

/// Which members, by their places in their order, keep copies of each task: up to `replicas` of them, never its owner.
///
/// Another rack than the owner's comes first. Then who would have the task if its owner left; who would have it if another
/// member left; and who has the fewest copies. Every instance that knows the same comes to the same.
///
/// `members` in the order in which the group's assignor sorts them; `counts` has for each sub-topology how many tasks it has.
/// A task without an owner in `owners` is taken for that of the member which the assignor gives it to.
pub(super) fn place(
    members: &[Place],
    counts: &[i32],
    owners: &BTreeMap<TaskId, Owner>,
    replicas: usize,
) -> BTreeMap<TaskId, Vec<usize>> {
    let mut placed = BTreeMap::new();
    if replicas == 0 || members.is_empty() {
        return placed;
    }
    let mut loads = vec![0usize; members.len()];
    for task in range::tasks(counts) {
        let partitions = counts[task.sub_topology];
        let assigned = owners.get(&task).cloned().or_else(|| {
            let member = range::owner(task.partition, partitions, members.len())?;
            Some(Owner { member: Some(member), rack: members[member].rack.clone() })
        });
        let Some(owner) = assigned else { continue };
        // Who has the task once `left` is gone.
        let heir = |left: Option<usize>| {
            let remaining = members.len() - usize::from(left.is_some());
            let place = range::owner(task.partition, partitions, remaining)?;
            Some(place + usize::from(left.is_some_and(|left| left <= place)))
        };
        let first = heir(owner.member);
        let mut is_second = vec![false; members.len()];
        for other in (0..members.len()).filter(|other| Some(*other) != owner.member) {
            if let Some(heir) = heir(Some(other)) {
                is_second[heir] = true;
            }
        }
        let is_together = |member: usize| owner.rack.is_some() && owner.rack == members[member].rack;
        let rank = |member: usize| match (Some(member) == first, is_second[member]) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let mut candidates: Vec<usize> = (0..members.len()).filter(|member| Some(*member) != owner.member).collect();
        candidates.sort_by_key(|member| (is_together(*member), rank(*member), loads[*member], *member));
        candidates.truncate(replicas);
        candidates.iter().for_each(|member| loads[*member] += 1);
        placed.insert(task, candidates);
    }
    placed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn members(racks: &[Option<&str>]) -> Vec<Place> {
        let numbered = racks.iter().enumerate();
        numbered
            .map(|(index, rack)| Place { instance_id: format!("i{index:02}"), rack: rack.map(Into::into) })
            .collect()
    }

    /// The owners as range assignment makes them.
    fn by_range(members: &[Place], counts: &[i32]) -> BTreeMap<TaskId, Owner> {
        let owner = |task: TaskId| range::owner(task.partition, counts[task.sub_topology], members.len()).unwrap();
        range::tasks(counts)
            .map(|task| (task, Owner { member: Some(owner(task)), rack: members[owner(task)].rack.clone() }))
            .collect()
    }

    fn of(task: (usize, i32), placed: &BTreeMap<TaskId, Vec<usize>>) -> &[usize] {
        &placed[&TaskId { sub_topology: task.0, partition: task.1 }]
    }

    #[test]
    fn copies_are_where_the_owners_leaving_would_move_the_task() {
        let members = members(&[None; 3]);
        let placed = place(&members, &[6], &by_range(&members, &[6]), 1);
        // 0 0 1 1 2 2; without the first 1 1 1 2 2 2, without the second 0 0 0 2 2 2, without the third 0 0 0 1 1 1.
        let expected = [1, 1, 0, 2, 1, 1];
        for (partition, member) in expected.into_iter().enumerate() {
            assert_eq!(of((0, partition as i32), &placed), [member], "partition {partition}");
        }
    }

    #[test]
    fn another_rack_comes_first() {
        let members = members(&[Some("a"), Some("a"), Some("b"), Some("b")]);
        let placed = place(&members, &[4], &by_range(&members, &[4]), 1);
        for partition in 0..4 {
            let copy = of((0, partition), &placed)[0];
            assert_ne!(members[copy].rack, members[partition as usize].rack, "partition {partition}");
        }
        let all = place(&members, &[4], &by_range(&members, &[4]), 3);
        assert_eq!(of((0, 0), &all).len(), 3, "with too few racks, the same one is better than none");
    }

    #[test]
    fn what_an_owner_that_is_gone_had_is_copied_where_it_will_go() {
        let members = members(&[None; 2]);
        let mut owners = by_range(&members, &[4]);
        owners.insert(TaskId { sub_topology: 0, partition: 3 }, Owner { member: None, rack: None });
        assert_eq!(of((0, 3), &place(&members, &[4], &owners, 1)), [1]);
    }

    #[test]
    fn alone_there_is_nobody_to_copy_to() {
        let members = members(&[None]);
        assert!(of((0, 0), &place(&members, &[1], &by_range(&members, &[1]), 2)).is_empty());
        assert!(place(&[], &[1], &BTreeMap::new(), 2).is_empty());
        assert!(place(&members, &[1], &BTreeMap::new(), 0).is_empty());
    }

    fn racks() -> impl Strategy<Value = Vec<Option<&'static str>>> {
        let rack = prop::sample::select(vec![None, Some("a"), Some("b"), Some("c")]);
        prop::collection::vec(rack, 1..9)
    }

    proptest! {
        #[test]
        fn distinct_copies_as_many_as_can_be_and_never_at_the_owner(
            racks in racks(),
            counts in prop::collection::vec(1..20i32, 1..4),
            replicas in 0..4usize,
            owned in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let members = members(&racks);
            // Owners as they may be while a rebalance is going on: anybody.
            let owners: BTreeMap<TaskId, Owner> = range::tasks(&counts)
                .zip(&owned)
                .map(|(task, owner)| {
                    let member = owner.index(members.len());
                    (task, Owner { member: Some(member), rack: members[member].rack.clone() })
                })
                .collect();
            let placed = place(&members, &counts, &owners, replicas);
            prop_assert_eq!(&placed, &place(&members, &counts, &owners, replicas));
            for (task, copies) in &placed {
                prop_assert!(!copies.contains(&owners[task].member.unwrap()));
                prop_assert_eq!(copies.len(), replicas.min(members.len() - 1));
                prop_assert_eq!(copies.iter().collect::<BTreeSet<_>>().len(), copies.len());
                let rack = &owners[task].rack;
                let elsewhere = (0..members.len())
                    .filter(|member| Some(*member) != owners[task].member)
                    .filter(|member| rack.is_none() || members[*member].rack != *rack)
                    .count();
                let together = copies.iter().filter(|copy| rack.is_some() && members[**copy].rack == *rack).count();
                prop_assert_eq!(together, copies.len().saturating_sub(elsewhere), "racks of {}", task);
            }
        }

        #[test]
        fn whoever_leaves_each_task_that_moves_from_it_has_a_copy_where_it_goes(
            count in 2..10usize,
            counts in prop::collection::vec(1..40i32, 1..4),
            leaver in any::<prop::sample::Index>(),
        ) {
            let members = members(&vec![None; count]);
            let owners = by_range(&members, &counts);
            let placed = place(&members, &counts, &owners, 1);
            let leaver = leaver.index(count);
            for (task, _) in owners.iter().filter(|(_, owner)| owner.member == Some(leaver)) {
                let heir = range::owner(task.partition, counts[task.sub_topology], count - 1).unwrap();
                let heir = heir + usize::from(leaver <= heir);
                prop_assert_eq!(&placed[task], &vec![heir]);
            }
        }

        #[test]
        fn nobody_keeps_far_more_than_the_others(count in 2..10usize, partitions in 1..60i32, replicas in 1..4usize) {
            let members = members(&vec![None; count]);
            let placed = place(&members, &[partitions], &by_range(&members, &[partitions]), replicas);
            let mut loads = vec![0usize; count];
            placed.values().flatten().for_each(|member| loads[*member] += 1);
            let copies = partitions as usize * replicas.min(count - 1);
            let most = loads.into_iter().max().unwrap();
            prop_assert!(most <= 2 * copies.div_ceil(count) + 1, "{most} of {copies} at one of {count}");
        }
    }
}
