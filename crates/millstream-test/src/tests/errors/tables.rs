use std::collections::BTreeMap;

use millstream::processor::RecordErrorKind::Read;
use millstream::worker::ErrorAction::{DeadLetter, Skip};

use super::*;
use crate::tests::{input, output, panic_of};

fn key_of(n: i64) -> String {
    format!("k{}", n % 5)
}

/// A table whose changelog is its source skips, on restore, what it skipped when it read.
#[test]
fn rows_that_were_left_out_are_left_out_by_a_restore() {
    for (policy, action) in [(ErrorPolicy::Skip, Skip), (ErrorPolicy::DeadLetter, DeadLetter)] {
        let mut driver = TopologyTestDriver::with_options(all(policy, Guarantee::ExactlyOnce), |b| {
            let rows = b.table_from_changelog(&Topic::new("rows", Utf8, Picky::READER), "rows");
            b.stream(&input()).left_join(&rows, |value, row| value * 1000 + row.copied().unwrap_or(0)).to(&output());
        });
        let rows = Topic::<String, i64>::new("rows", Utf8, Be64);
        driver.pipe_all(&rows, (10..15).map(|n| Record::new(key_of(n), Some(n), 0)));
        assert_eq!(counted(&driver), BTreeMap::from([((Read, action), 1)]));
        let ask = |driver: &mut TopologyTestDriver| {
            driver.pipe_all(&input(), (0..5).map(|n| Record::new(key_of(n), Some(n), 9)));
            driver.values(&output())
        };
        let before = ask(&mut driver);
        assert_eq!(before.len(), 5);
        driver.restart();
        assert_eq!(ask(&mut driver), before);
        // Offset 3 is left out by the restore, and counted as such.
        assert_eq!(counted(&driver), BTreeMap::from([((Read, Skip), 1)]));
    }
}

#[test]
fn rows_of_a_global_table_are_skipped_or_stop_the_application() {
    let define = |b: &TopologyBuilder| {
        let names = b.global_table(&Topic::new("names", Utf8, Picky::READER.panicking()), "names");
        b.stream(&input())
            .left_join_global(&names, |key, _| Some(key.clone()), |value, row| value + row.copied().unwrap_or(0))
            .to(&output());
    };
    let names = Topic::<String, i64>::new("names", Utf8, Be64);
    for policy in [ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
        let mut driver = TopologyTestDriver::with_options(all(policy, Guarantee::ExactlyOnce), define);
        driver.pipe_all(&names, [12, 13, 14].map(|n| Record::new(format!("k{n}"), Some(n), 0)));
        driver.pipe_all(&input(), [12, 13, 14].map(|n| Record::new(format!("k{n}"), Some(100), 0)));
        assert_eq!(driver.values(&output()), [112, 100, 114]);
        assert_eq!(counted(&driver), BTreeMap::from([((Read, Skip), 1)]));
        assert_eq!(driver.dead_letters().len(), 0);
    }
    let mut driver = TopologyTestDriver::new(define);
    let message = panic_of(|| driver.pipe(&names, "k13".to_owned(), 13, 0));
    assert!(message.contains("global table names") && message.contains("offset 0"), "{message}");
}
