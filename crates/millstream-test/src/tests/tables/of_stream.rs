//! Tables of streams.

use super::super::faults::Faults;
use super::super::stepped::Stepped;
use super::*;

/// The value of each row, by its group; a row whose value is 0 is deleted.
fn rows_of(stream: &Stream<String, (String, i64)>) -> Table<String, (String, i64)> {
    let rows = stream.map_values(|(group, value)| (value != 0).then_some((group, value)));
    rows.to_table(Store::new("rows", Utf8, Json))
}

fn sums(rows: &Table<String, (String, i64)>) -> Stream<String, i64> {
    rows.group_by(Topic::new("by-group", Utf8, Be64), |_, (group, value)| (group.clone(), *value))
        .reduce(Store::new("sums", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
        .to_stream()
        .flat_map_values(|sum| sum)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_table_of_a_stream_is_joined_as_that_of_a_topic(steps in steps(), partitions in 1..4) {
        let mut driver = TopologyTestDriver::with_partitions(partitions, |b| {
            let left: Topic<_, Option<(String, i64)>> = Topic::new("left", Utf8, Nullable(Json));
            let rows = b.stream(&left).to_table(Store::new("left", Utf8, Json));
            let others = b.table(&right(), Store::new("right", Utf8, Be64));
            rows.left_join(&others, |(_, a), b| format!("{a} {b:?}")).to_stream().to(&text());
        });
        let (mut model, mut joined) = (Model::default(), Rows::new());
        for step in &steps {
            model.apply(&mut driver, step);
            follow(&mut joined, &mut driver, &text());
            let rows = model.left.iter().map(|(key, (_, a))| (key.clone(), format!("{a} {:?}", model.right.get(key))));
            prop_assert_eq!(&joined, &rows.collect::<Rows<_>>());
        }
    }
}

/// With the wrong value before, sums would drift.
#[test]
fn a_table_of_a_stream_is_put_back_by_an_abort() {
    let records = || {
        (0..300_i64).map(|n| {
            let value = (format!("group {}", n % 4), n % 7);
            Record::new(format!("row {}", n % 11), value, n)
        })
    };
    let last_of = |table: Faults, sum: Faults| {
        let mut stepped = Stepped::new(2, move |b| {
            let rows = rows_of(&b.stream(&left()));
            table.on("fault", &rows.to_stream()).map_values(|row| row.map(|row| row.0)).to(&text());
            sum.on("other-fault", &sums(&rows)).to(&output());
        });
        stepped.write(&left(), records());
        let aborts = stepped.run(2);
        let results = stepped.results(&output()).into_iter();
        let last: Rows<i64> = results.map(|placed| (placed.record.key, placed.record.value.unwrap())).collect();
        (last, aborts)
    };
    let mut rows = Rows::new();
    for record in records() {
        set(&mut rows, &record.key, (record.value.1 != 0).then_some(record.value));
    }
    let mut expected: Rows<i64> = Rows::new();
    for (group, value) in rows.values() {
        *expected.entry(group.clone()).or_default() += value;
    }
    assert_eq!(last_of(Faults::never(), Faults::never()), (expected.clone(), 0));
    let (last, aborts) = last_of(Faults::every(40, 5), Faults::every(25, 5));
    assert!(aborts >= 5, "{aborts}");
    assert_eq!(last, expected);
}

#[test]
fn a_table_of_a_stream_has_no_rows_with_null_keys() {
    let key = || Nullable(Utf8);
    let (input, output) = (Topic::<_, i64>::new("input", key(), Be64), Topic::<_, i64>::new("output", key(), Be64));
    let (i, o) = (input.clone(), output.clone());
    let mut driver = TopologyTestDriver::new(move |b| {
        b.stream(&i).to_table(Store::new("rows", Nullable(Utf8), Be64)).to_stream().to(&o);
    });
    driver.pipe(&input, None, 1, 0);
    driver.pipe(&input, Some("a".to_string()), 2, 1);
    assert_eq!(driver.entries(&output), [(Some("a".to_string()), Some(2))]);
}

#[test]
fn a_table_of_a_stream_has_the_keys_that_chose_the_partitions() {
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            let doubled = b.stream(&right()).map(|key, value| (key, 2 * value));
            doubled.to_table(Store::new("rows", Utf8, Be64)).to_stream().to(&output());
        });
    });
    assert!(message.contains("to-table after map") && message.contains("call repartition() first"), "{message}");
}
