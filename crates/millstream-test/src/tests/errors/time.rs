use std::time::Duration;

use super::*;
use crate::tests::input;

/// A record that is left out does not move the time: else one from the far future would close every window.
#[test]
fn a_record_that_is_left_out_moves_no_clock() {
    let counts = || Topic::<Windowed<String>, i64>::new("counts", TimeWindowed::new(Utf8, 10), Be64);
    for policy in [ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
        for guarantee in GUARANTEES {
            let mut driver = TopologyTestDriver::with_options(all(policy, guarantee), move |b| {
                let read = b.stream(&Topic::new("input", Utf8, Picky::READER)).map_values(|value| {
                    assert!(value != 7, "seven");
                    value
                });
                let windows = TimeWindows::tumbling(Duration::from_millis(10));
                read.group_by_key()
                    .windowed_by(windows)
                    .count(Store::new("counts", Utf8, Be64))
                    .to_stream()
                    .to(&counts());
            });
            let far = 253_402_300_800_000; // the year 10000
            for (value, timestamp) in [(1, 1), (13, far), (1, 2), (7, far), (1, 3)] {
                driver.pipe(&input(), "a".to_owned(), value, timestamp);
            }
            assert_eq!(driver.values(&counts()), [1, 2, 3]);
            assert!(driver.late().is_empty());
        }
    }
}
