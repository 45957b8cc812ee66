use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Where a worker is: the task, its record, and the node that has it. Written by the worker, a plain store for each record and
/// each node; read from any thread, part by part.
#[derive(Debug)]
pub(crate) struct Place {
    /// The sub-topology, and the partition in the lower half; `NOWHERE` while no task is processed.
    task: AtomicU64,
    input: AtomicU32,
    /// `NO_RECORD` in what no record caused.
    offset: AtomicI64,
    node: AtomicU32,
}

/// A place, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) task: (usize, i32),
    /// The input's number in the task, and the offset.
    pub(crate) record: Option<(usize, i64)>,
    /// `None` between two nodes.
    pub(crate) node: Option<usize>,
}

const NOWHERE: u64 = u64::MAX;
const NO_RECORD: i64 = i64::MIN;
const NO_NODE: u32 = u32::MAX;

impl Default for Place {
    fn default() -> Self {
        Place {
            task: AtomicU64::new(NOWHERE),
            input: AtomicU32::new(0),
            offset: AtomicI64::new(NO_RECORD),
            node: AtomicU32::new(NO_NODE),
        }
    }
}

impl Place {
    /// A task is processed now, none of its records yet.
    pub(crate) fn begin(&self, sub_topology: usize, partition: i32) {
        self.offset.store(NO_RECORD, Ordering::Relaxed);
        self.node.store(NO_NODE, Ordering::Relaxed);
        self.task.store((sub_topology as u64) << 32 | u64::from(partition as u32), Ordering::Relaxed);
    }

    /// No task is processed.
    pub(crate) fn end(&self) {
        self.task.store(NOWHERE, Ordering::Relaxed);
        self.offset.store(NO_RECORD, Ordering::Relaxed);
        self.node.store(NO_NODE, Ordering::Relaxed);
    }

    /// A record of this input has its turn.
    #[inline]
    pub(crate) fn set_record(&self, input: usize, offset: i64) {
        self.input.store(input as u32, Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// What comes now is caused by no record.
    pub(crate) fn set_no_record(&self) {
        self.offset.store(NO_RECORD, Ordering::Relaxed);
    }

    /// Goes to a node; gives where it was, for [`Place::go_back`].
    #[inline]
    pub(crate) fn go_to(&self, node: u32) -> u32 {
        let before = self.node.load(Ordering::Relaxed);
        self.node.store(node, Ordering::Relaxed);
        before
    }

    #[inline]
    pub(crate) fn go_back(&self, node: u32) {
        self.node.store(node, Ordering::Relaxed);
    }

    /// The input, by its number, and the offset of the record that has its turn.
    pub(crate) fn record(&self) -> Option<(usize, i64)> {
        let offset = self.offset.load(Ordering::Relaxed);
        (offset != NO_RECORD).then(|| (self.input.load(Ordering::Relaxed) as usize, offset))
    }

    pub(crate) fn node(&self) -> Option<usize> {
        let node = self.node.load(Ordering::Relaxed);
        (node != NO_NODE).then_some(node as usize)
    }

    /// `None` while no task is processed.
    pub(crate) fn get(&self) -> Option<Numbers> {
        let task = self.task.load(Ordering::Relaxed);
        let numbers =
            || Numbers { task: ((task >> 32) as usize, task as u32 as i32), record: self.record(), node: self.node() };
        (task != NOWHERE).then(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, Place};

    #[test]
    fn a_place_says_what_was_noted() {
        let place = Place::default();
        assert_eq!(place.get(), None);
        place.begin(2, 7);
        assert_eq!(place.get(), Some(Numbers { task: (2, 7), record: None, node: None }));
        place.set_record(1, 40);
        let before = place.go_to(3);
        let child = place.go_to(4);
        assert_eq!(place.get(), Some(Numbers { task: (2, 7), record: Some((1, 40)), node: Some(4) }));
        place.go_back(child);
        assert_eq!(place.node(), Some(3));
        place.go_back(before);
        assert_eq!(place.node(), None);
        place.end();
        assert_eq!(place.get(), None);
    }
}
