//! Ids that are dropped, over restarts and commits of any size.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::prelude::*;
use proptest::prelude::*;

use super::{input, output};
use crate::TopologyTestDriver;

const WITHIN: i64 = 10;

fn driver() -> TopologyTestDriver {
    TopologyTestDriver::new(|b| {
        let within = Duration::from_millis(WITHIN as u64);
        b.stream(&input()).deduplicate(Store::new("seen", Be64, Be64), |_, id: &i64| *id, within).to(&output());
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_first_of_an_id_passes(
        records in prop::collection::vec((0..3_i64, -12..12_i64, 0..8_u8), 1..60),
    ) {
        let mut driver = driver();
        let (mut now, mut seen, mut expected, mut batch) = (1000, BTreeMap::new(), Vec::new(), Vec::new());
        driver.pipe(&input(), "k".to_string(), 99, now);
        expected.push((99, now));
        for (id, step, cut) in records {
            let time = now + step;
            now = now.max(time);
            let known = seen.get(&id).is_some_and(|seen| time - seen < WITHIN && now < seen + WITHIN);
            let late = time + WITHIN <= now;
            if late || !known {
                expected.push((id, time));
            }
            if !late && !known {
                seen.insert(id, time);
            }
            batch.push(Record::new("k".to_string(), Some(id), time));
            // What passes does not depend on when commits, aborts and restarts are.
            if cut == 4 {
                driver.refuse_commit(1);
            }
            if cut < 3 {
                driver.pipe_all(&input(), batch.drain(..));
            }
            if cut == 0 {
                driver.restart();
            }
        }
        driver.pipe_all(&input(), batch);
        let passed = driver.records(&output()).into_iter().map(|record| (record.value.unwrap(), record.timestamp));
        prop_assert_eq!(passed.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn ids_that_are_over_leave_tombstones() {
    let mut driver = driver();
    for (id, time) in [(1, 0), (2, 9), (3, 19), (1, 30)] {
        driver.pipe(&input(), "k".to_string(), id, time);
    }
    let changelog = driver.entries(&Topic::<i64, i64>::new("test-seen-changelog", Be64, Be64));
    let expected = [(1, Some(0)), (2, Some(9)), (3, Some(19)), (1, None), (2, None), (1, Some(30)), (3, None)];
    let sorted = |mut rows: Vec<(i64, Option<i64>)>| {
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(changelog), sorted(expected.to_vec()));
}

#[test]
#[should_panic(expected = "deduplicate() after map")]
fn an_id_must_be_in_one_partition() {
    TopologyTestDriver::new(|b| {
        let seen = Store::new("seen", Be64, Be64);
        b.stream(&input()).map(|k, v| (k, v)).deduplicate(seen, |_, id: &i64| *id, Duration::ZERO).to(&output());
    });
}
