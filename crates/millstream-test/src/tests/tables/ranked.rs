use std::collections::BTreeSet;

use super::*;

fn tops() -> Topic<String, Vec<(String, i64)>> {
    Topic::new("tops", Utf8, Json)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn distinct_counts_and_first_rows_follow_their_table(steps in steps(), partitions in 1..4, k in 1..4_usize) {
        let mut driver = TopologyTestDriver::with_partitions(partitions, move |b| {
            // Rows of left keys that are even, so that some are equal.
            let grouped = b
                .table(&left(), Store::new("left", Utf8, Json))
                .group_by(Topic::new("by-group", Utf8, Json), |key, (group, value)| {
                    (group.clone(), (key.parse::<i64>().map_or(0, |key| key % 2).to_string(), *value))
                });
            let items = Store::new("distinct", Utf8, Be64);
            grouped.count_distinct(items, Be64, |_, (_, value): &(String, i64)| value / 3).to_stream().to(&output());
            grouped.top_k(Store::new("top", Utf8, Json), k, |(_, value)| value.abs()).to_stream().to(&tops());
            b.table(&right(), Store::new("right", Utf8, Be64));
        });
        let (mut model, mut counts, mut top) = (Model::default(), Rows::new(), Rows::new());
        for step in &steps {
            model.apply(&mut driver, step);
            follow(&mut counts, &mut driver, &output());
            follow(&mut top, &mut driver, &tops());
            let mut groups: Rows<Vec<(String, i64)>> = Rows::new();
            for (key, (group, value)) in &model.left {
                let key = (key.parse::<i64>().unwrap() % 2).to_string();
                groups.entry(group.clone()).or_default().push((key, *value));
            }
            let distinct = groups.iter().map(|(group, rows)| {
                (group.clone(), rows.iter().map(|(_, value)| value / 3).collect::<BTreeSet<_>>().len() as i64)
            });
            let mut distinct: Rows<i64> = distinct.collect();
            for group in counts.keys() {
                distinct.entry(group.clone()).or_default();
            }
            prop_assert_eq!(&counts, &distinct);
            for rows in groups.values_mut() {
                // As JSON the text comes before the number, which are compared byte by byte.
                rows.sort_by_key(|row| (-row.1.abs(), serde_bytes(row)));
                rows.truncate(k);
            }
            prop_assert_eq!(&top, &groups);
        }
    }
}

fn serde_bytes(row: &(String, i64)) -> Vec<u8> {
    let mut bytes = Vec::new();
    Json.encode(row, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_key_without_rows_has_no_first_ones() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.table(&left(), Store::new("left", Utf8, Json))
            .group_by(Topic::new("by-group", Utf8, Json), |_, row| (row.0.clone(), row.clone()))
            .top_k(Store::new("top", Utf8, Json), 2, |(_, value)| *value)
            .to_stream()
            .to(&tops());
    });
    let row = ("g".to_string(), 1);
    driver.pipe(&left(), "x".to_string(), row.clone(), 5);
    driver.restart();
    driver.pipe_null(&left(), "x".to_string(), 3);
    driver.pipe(&left(), "y".to_string(), row.clone(), 1);
    let records = driver.records(&tops()).into_iter().map(|record| (record.value, record.timestamp));
    let (tops, times): (Vec<_>, Vec<_>) = records.unzip();
    assert_eq!(tops, [Some(vec![row.clone()]), None, Some(vec![row])]);
    assert_eq!(times, [5, 5, 1]);
}

/// A stream's items only come: each is written to the changelog once.
#[test]
fn distinct_items_of_a_stream_are_kept_over_a_restart() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.stream(&right())
            .group_by_key()
            .count_distinct(Store::new("distinct", Utf8, Be64), Be64, |_, value: &i64| *value)
            .to_stream()
            .to(&output());
    });
    for (key, value) in [("a", 1), ("a", 2), ("b", 1), ("a", 1)] {
        driver.pipe(&right(), key.to_string(), value, 0);
        driver.restart();
    }
    driver.pipe(&right(), "a".to_string(), 3, 0);
    assert_eq!(driver.values(&output()), [1, 2, 1, 2, 3]);
    let items = driver.entries(&Topic::new("test-distinct-items-changelog", Bytes, Bytes));
    let of_a_1 = items.iter().filter(|(key, _)| *key == b"\0\0\0\x01a\0\0\0\0\0\0\0\x01".to_vec());
    assert_eq!(of_a_1.count(), 1);
}
