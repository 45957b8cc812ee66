use std::sync::Arc;

use millstream::prelude::*;

use super::words::Fixed;
use super::{Compared, STATEFUL, STORE, Workload};
use crate::inputs::SHUFFLED;

/// How many real-time consumers there are, that is rules of what they want: the keys.
const RULES: u64 = 1_000;

/// So many records a rule takes one of; together they take a fifth.
const ONE_OF: u64 = 5 * RULES;

/// Each so many records of a rule there is an output.
const EVERY: i64 = 10;

/// A rule's state of 32 bytes: how many records, the sum of their first words, and their first and last word.
type State = [u64; 4];

pub(super) static SHUFFLE_BENCH: Workload = Workload {
    name: "shuffle-bench",
    about: "ShuffleBench: of records of 1 KiB without keys, a fifth matches a rule; these go through a repartition topic to their \
            rule, of which there are 1,000, with a state of 32 bytes each; each tenth record of a rule puts its count into the \
            output. ShuffleBench asks each rule in turn; here the record's first word says which takes it. Timestamps are not \
            compared, as they depend on whose record is the tenth.",
    inputs: &[&SHUFFLED],
    contestants: STATEFUL,
    topology: |topics| {
        let input = Topic::<(), Vec<u8>>::new(&*topics.inputs[0], Unit, Bytes);
        let output = Topic::<i64, i64>::new(&*topics.output, Be64, Be64);
        Arc::new(move |b| {
            b.stream(&input)
                .flat_map(|(), value| matching(&value).map(|rule| (rule, value)))
                .repartition(Topic::new("by-rule", Be64, Bytes))
                .group_by_key()
                .aggregate(Store::new(STORE, Be64, Fixed), State::default, |_, value, state| {
                    add(state, first_word(&value))
                })
                .to_stream()
                .flat_map_values(|state| state.map(|state| state[0] as i64).filter(|count| count % EVERY == 0))
                .to(&output);
        })
    },
    has_changelog: true,
    has_repartitions: true,
    restores: false,
    compared: Compared::KeysAndValues,
};

fn first_word(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |word| u64::from_be_bytes(*word))
}

/// The rule that takes a record.
fn matching(value: &[u8]) -> Option<i64> {
    let place = first_word(value) % ONE_OF;
    (place < RULES).then_some(place as i64)
}

fn add(state: &mut State, word: u64) {
    let [count, sum, first, last] = state;
    if *count == 0 {
        *first = word;
    }
    (*count, *sum, *last) = (*count + 1, sum.wrapping_add(word), word);
}

#[cfg(test)]
mod tests {
    use millstream_test::TopologyTestDriver;

    use super::*;
    use crate::job::Topics;

    #[test]
    fn each_tenth_record_of_a_rule_is_told_and_a_fifth_matches() {
        let define = (SHUFFLE_BENCH.topology)(&Topics::of("g", vec!["in".to_owned()]));
        let mut driver = TopologyTestDriver::new(move |b| define(b));
        let input = Topic::<(), i64>::new("in", Unit, Be64);
        for turn in 0..25 {
            for place in [0, 7, RULES, ONE_OF - 1] {
                driver.pipe(&input, (), (place + turn * ONE_OF) as i64, 5);
            }
        }
        let told = driver.entries(&Topic::<i64, i64>::new("g-out", Be64, Be64));
        assert_eq!(told, [(0, Some(10)), (7, Some(10)), (0, Some(20)), (7, Some(20))]);
        let matching = (0..ONE_OF).filter(|word| matching(&word.to_be_bytes()).is_some());
        assert_eq!(matching.count() as u64 * 5, ONE_OF);
    }
}
