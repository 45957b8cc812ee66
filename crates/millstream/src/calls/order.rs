use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

use super::CallOrder;
use crate::record::Timestamp;

/// The turns of records, by their numbers: which call may begin, and which result may be pushed on.
pub(super) struct Turns<K> {
    order: CallOrder,
    /// Those that may begin, in the order of the records.
    ready: VecDeque<u64>,
    /// By key, those behind another of that key; a key is here while one of its calls is ready or under way.
    behind: HashMap<K, VecDeque<u64>>,
    /// Those that have ended and may be pushed on.
    ended: VecDeque<u64>,
    /// All of a partition's that were not pushed on yet, and whether they have ended.
    in_order: BTreeMap<u64, bool>,
}

impl<K: Hash + Eq + Clone> Turns<K> {
    pub(super) fn new(order: CallOrder) -> Self {
        let (ready, ended) = (VecDeque::new(), VecDeque::new());
        Turns { order, ready, behind: HashMap::new(), ended, in_order: BTreeMap::new() }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Turns::new(self.order);
    }

    /// A record comes.
    pub(super) fn add(&mut self, number: u64, key: &K) {
        match self.order {
            CallOrder::PerKey => match self.behind.get_mut(key) {
                Some(behind) => return behind.push_back(number),
                None => drop(self.behind.insert(key.clone(), VecDeque::new())),
            },
            CallOrder::PerPartition => drop(self.in_order.insert(number, false)),
            CallOrder::None => {}
        }
        self.ready.push_back(number);
    }

    /// Whether some call could begin.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The call that begins next.
    pub(super) fn next_ready(&mut self) -> Option<u64> {
        self.ready.pop_front()
    }

    /// A call has ended.
    pub(super) fn end(&mut self, number: u64, key: &K) {
        match self.order {
            CallOrder::PerPartition => drop(self.in_order.insert(number, true)),
            CallOrder::None => self.ended.push_back(number),
            CallOrder::PerKey => {
                self.ended.push_back(number);
                match self.behind.get_mut(key).and_then(VecDeque::pop_front) {
                    Some(next) => self.ready.push_back(next),
                    None => drop(self.behind.remove(key)),
                }
            }
        }
    }

    /// The result that is pushed on next, if it is here.
    pub(super) fn next_ended(&mut self) -> Option<u64> {
        match self.order {
            CallOrder::PerPartition => {
                let first = self.in_order.first_entry().filter(|first| *first.get())?;
                Some(first.remove_entry().0)
            }
            CallOrder::PerKey | CallOrder::None => self.ended.pop_front(),
        }
    }
}

/// How many records there are of each timestamp.
#[derive(Default)]
pub(super) struct Timestamps(BTreeMap<Timestamp, usize>);

impl Timestamps {
    pub(super) fn add(&mut self, timestamp: Timestamp) {
        *self.0.entry(timestamp).or_default() += 1;
    }

    pub(super) fn remove(&mut self, timestamp: Timestamp) {
        if let Some(count) = self.0.get_mut(&timestamp) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&timestamp);
            }
        }
    }

    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.0.first_key_value().map(|(timestamp, _)| *timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of the keys a, b, a, c; their calls end in reverse, as far as they may have begun.
    fn results(order: CallOrder) -> Vec<u64> {
        let (mut turns, keys) = (Turns::new(order), ["a", "b", "a", "c"]);
        keys.iter().zip(0..).for_each(|(key, number)| turns.add(number, key));
        let mut results = Vec::new();
        while turns.has_ready() {
            let mut begun: Vec<u64> = std::iter::from_fn(|| turns.next_ready()).collect();
            begun.reverse();
            for number in begun {
                turns.end(number, &keys[number as usize]);
                results.extend(std::iter::from_fn(|| turns.next_ended()));
            }
        }
        results
    }

    #[test]
    fn results_come_in_the_order_chosen() {
        assert_eq!(results(CallOrder::None), [3, 2, 1, 0]);
        assert_eq!(results(CallOrder::PerKey), [3, 1, 0, 2], "the second of a begins after the first");
        assert_eq!(results(CallOrder::PerPartition), [0, 1, 2, 3]);
    }

    #[test]
    fn a_key_is_forgotten_once_its_calls_have_ended() {
        let mut turns = Turns::new(CallOrder::PerKey);
        turns.add(0, &"a");
        turns.next_ready();
        turns.end(0, &"a");
        assert!(turns.behind.is_empty());
        turns.add(1, &"a");
        assert_eq!(turns.next_ready(), Some(1));
    }

    #[test]
    fn the_oldest_of_equal_timestamps_stays_until_the_last_has_gone() {
        let mut timestamps = Timestamps::default();
        [7, 3, 3].into_iter().for_each(|timestamp| timestamps.add(timestamp));
        timestamps.remove(3);
        assert_eq!(timestamps.oldest(), Some(3));
        timestamps.remove(3);
        assert_eq!(timestamps.oldest(), Some(7));
        timestamps.remove(7);
        assert_eq!(timestamps.oldest(), None);
    }
}
