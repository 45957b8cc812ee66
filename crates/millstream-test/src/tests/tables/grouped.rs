use std::time::Duration;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_regrouped_table_adds_up_to_its_rows(steps in steps(), partitions in 1..4) {
        let mut driver = TopologyTestDriver::with_partitions(partitions, |b| {
            let grouped = b
                .table(&left(), Store::new("left", Utf8, Json))
                .filter(|_, (_, value)| value % 5 != 0)
                .group_by(Topic::new("by-group", Utf8, Be64), |_, (group, value)| (group.clone(), *value));
            grouped.count(Store::new("counts", Utf8, Be64)).to_stream().to(&output());
            grouped
                .reduce(Store::new("sums", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
                .map_values(ToString::to_string)
                .to_stream()
                .to(&text());
            b.table(&right(), Store::new("right", Utf8, Be64));
        });
        let (mut model, mut counts, mut sums) = (Model::default(), Rows::new(), Rows::new());
        for step in &steps {
            model.apply(&mut driver, step);
            follow(&mut counts, &mut driver, &output());
            follow(&mut sums, &mut driver, &text());
            let mut expected: Rows<(i64, i64)> = Rows::new();
            for (group, value) in model.left.values().filter(|(_, value)| value % 5 != 0) {
                let (count, sum) = expected.entry(group.clone()).or_default();
                *count += 1;
                *sum += value;
            }
            // A group that had rows once stays, with 0.
            for group in counts.keys() {
                expected.entry(group.clone()).or_default();
            }
            let expected_counts = expected.iter().map(|(group, (count, _))| (group.clone(), *count));
            prop_assert_eq!(&counts, &expected_counts.collect::<Rows<_>>());
            let expected_sums = expected.iter().map(|(group, (_, sum))| (group.clone(), sum.to_string()));
            prop_assert_eq!(&sums, &expected_sums.collect::<Rows<_>>());
        }
    }
}

#[test]
fn aggregates_of_tables_have_the_times_of_kafka_streams() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.table(&left(), Store::new("left", Utf8, Json))
            .group_by(Topic::new("by-group", Utf8, Be64), |_, (group, value)| (group.clone(), *value))
            .reduce(Store::new("sums", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
            .to_stream()
            .to(&output());
    });
    let mut pipe = |key: &str, row: Option<(&str, i64)>, time| {
        let row = row.map(|(group, value)| (group.to_string(), value));
        driver.pipe_record(&left(), Record::new(key.to_string(), row, time));
        let records = driver.records(&output()).into_iter();
        records.map(|record| (record.key, record.value.unwrap(), record.timestamp)).collect::<Vec<_>>()
    };
    let row = |group: &str, value, time| (group.to_string(), value, time);
    assert_eq!(pipe("x", Some(("g", 1)), 50), [row("g", 1, 50)]);
    assert_eq!(pipe("y", Some(("g", 2)), 10), [row("g", 3, 50)], "the older update counts, the larger time stays");
    assert_eq!(pipe("x", Some(("g", 5)), 20), [row("g", 7, 50)], "one record for old and new");
    assert_eq!(pipe("x", Some(("h", 5)), 30), [row("g", 2, 50), row("h", 5, 30)], "first taken out, then put in");
    assert_eq!(pipe("y", None, 60), [row("g", 0, 60)]);
    assert_eq!(pipe("y", None, 61), [], "there is nothing to take out");
}

/// A windowed table is filtered, mapped and grouped as any other, but has no rows to be joined.
#[test]
fn a_windowed_table_is_grouped_by_another_key() {
    fn counts(b: &TopologyBuilder) -> Table<Windowed<String>, i64> {
        let windows = TimeWindows::tumbling(Duration::from_millis(10));
        b.stream(&right()).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64))
    }
    let mut driver = TopologyTestDriver::new(|b| {
        counts(b)
            .filter(|_, count| *count < 3)
            .map_values(|count| count * 100)
            .group_by(Topic::new("by-window", Utf8, Be64), |key, count| (key.window.start.to_string(), *count))
            .reduce(Store::new("sums", Utf8, Be64), |sum, count| sum + count, |sum, count| sum - count)
            .to_stream()
            .to(&output());
    });
    for (key, time) in [("a", 1), ("b", 2), ("a", 3), ("a", 13), ("a", 4)] {
        driver.pipe(&right(), key.to_string(), 0, time);
    }
    let expected = [("0", 100), ("0", 200), ("0", 300), ("10", 100)];
    let expected = expected.map(|(window, sum)| (window.to_string(), Some(sum)));
    assert_eq!(driver.entries(&output()), expected, "the last one is late");
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            let counts = counts(b);
            counts.join(&counts, |a, b| a + b);
        });
    });
    assert!(message.contains("table-join with the windowed table of windowed-count"), "{message}");
}

#[test]
fn a_group_whose_key_is_null_is_left_out() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.table(&left(), Store::new("left", Utf8, Json))
            .group_by(Topic::new("by-group", Nullable(Utf8), Be64), |_, (group, value)| {
                ((group != "none").then(|| group.clone()), *value)
            })
            .count(Store::new("counts", Nullable(Utf8), Be64))
            .to_stream()
            .map(|group, count| (group.unwrap(), count.unwrap()))
            .to(&output());
    });
    for group in ["a", "none", "b"] {
        driver.pipe(&left(), "x".to_string(), (group.to_string(), 0), 0);
    }
    let expected = [("a", 1), ("a", 0), ("b", 1)].map(|(group, count)| (group.to_string(), Some(count)));
    assert_eq!(driver.entries(&output()), expected);
}
