use std::sync::Arc;

use millstream::broker::{CleanupPolicy, TopicDescription};
use millstream::topology::{Define, Plan, Topology};

use super::*;

fn foreign_key((key, _): &(String, i64)) -> Option<String> {
    (key != "0").then(|| key.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_foreign_key_join_is_what_its_rows_say(steps in steps(), partitions in 1..4, left_join: bool) {
        let mut driver = TopologyTestDriver::with_partitions(partitions, move |b| {
            let rows = b.table(&left(), Store::new("left", Utf8, Json));
            let others = b.table(&right(), Store::new("right", Utf8, Be64));
            let joined = if left_join {
                rows.left_join_foreign("by-foreign", &others, foreign_key, |(_, a), b| format!("{a} {b:?}"))
            } else {
                rows.join_foreign("by-foreign", &others, foreign_key, |(_, a), b| format!("{a} {:?}", Some(b)))
            };
            joined.to_stream().to(&text());
        });
        let (mut model, mut joined) = (Model::default(), Rows::new());
        for step in &steps {
            model.apply(&mut driver, step);
            follow(&mut joined, &mut driver, &text());
            let rows = model.left.iter().filter_map(|(key, row)| {
                let other = foreign_key(row).and_then(|key| model.right.get(&key));
                (left_join || other.is_some()).then(|| (key.clone(), format!("{} {other:?}", row.1)))
            });
            prop_assert_eq!(&joined, &rows.collect::<Rows<_>>());
        }
    }
}

#[test]
fn tables_joined_by_a_foreign_key_may_have_unequal_partition_counts() {
    let define: Define = Arc::new(|b: &TopologyBuilder| {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        let others = b.table(&right(), Store::new("right", Utf8, Be64));
        let joined = rows.join_foreign("by-foreign", &others, foreign_key, |(_, a), b| a + b);
        joined.to_stream().to(&output());
    });
    let topology = Topology::build("app", &define).unwrap();
    let described = [("left", 2), ("right", 5)].map(|(name, partitions)| {
        let (name, cleanup_policy) = (name.to_string(), CleanupPolicy::Delete);
        (name.clone(), TopicDescription { name, partitions, cleanup_policy })
    });
    let plan = Plan::new(&topology, &BTreeMap::from(described), None).unwrap();
    let counts: BTreeMap<_, _> = plan.topics.iter().map(|t| (t.topic.name.as_str(), t.topic.partitions)).collect();
    let expected = [
        ("app-by-foreign-response-repartition", 2),
        ("app-by-foreign-subscription-repartition", 5),
        ("app-by-foreign-subscriptions-changelog", 5),
        ("app-instances", 1),
        ("app-left-changelog", 2),
        ("app-right-changelog", 5),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn a_foreign_key_join_answers_with_tombstones_and_times_as_kafka_streams() {
    let mut driver = TopologyTestDriver::new(|b| {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        let others = b.table(&right(), Store::new("right", Utf8, Be64));
        let joined = rows.join_foreign("by-foreign", &others, foreign_key, |(_, a), b| format!("{a}+{b}"));
        joined.to_stream().to(&text());
    });
    let seen = |driver: &mut TopologyTestDriver| {
        let records = driver.records(&text()).into_iter();
        records.map(|record| (record.key, record.value, record.timestamp)).collect::<Vec<_>>()
    };
    let row = |key: &str, value: Option<&str>, time| (key.to_string(), value.map(str::to_string), time);
    let update = |driver: &mut TopologyTestDriver, key: &str, foreign: &str, value, time| {
        driver.pipe(&left(), key.to_string(), (foreign.to_string(), value), time);
        seen(driver)
    };
    let driver = &mut driver;
    assert_eq!(update(driver, "x", "1", 7, 10), [], "nothing to join with");
    assert_eq!(update(driver, "w", "1", 8, 10), []);
    assert_eq!(update(driver, "x", "0", 7, 11), [row("x", None, 11)], "it may have had a joined row");
    assert_eq!(update(driver, "x", "1", 7, 12), []);
    driver.pipe(&right(), "1".to_string(), 5, 3);
    assert_eq!(seen(driver), [row("w", Some("8+5"), 3), row("x", Some("7+5"), 3)], "by key, at the update's own time");
    assert_eq!(update(driver, "x", "1", 9, 1), [row("x", Some("9+5"), 3)], "at the larger time");
    driver.restart();
    assert_eq!(update(driver, "x", "2", 9, 20), [row("x", None, 20)]);
    driver.pipe_null(&right(), "1".to_string(), 21);
    assert_eq!(seen(driver), [row("w", None, 21)], "x is not subscribed any more");
    driver.pipe_null(&left(), "x".to_string(), 22);
    assert_eq!(seen(driver), [row("x", None, 22)]);
    driver.pipe_null(&left(), "x".to_string(), 23);
    assert_eq!(seen(driver), []);
}

#[test]
fn a_left_join_by_foreign_key_answers_as_kafka_streams() {
    let mut driver = TopologyTestDriver::new(|b| {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        let others = b.table(&right(), Store::new("right", Utf8, Be64));
        let joined = rows.left_join_foreign("by-foreign", &others, foreign_key, |(_, a), b| format!("{a}+{b:?}"));
        joined.to_stream().to(&text());
    });
    let mut update = |row: Option<(&str, i64)>, time| {
        let row = row.map(|(foreign, value)| (foreign.to_string(), value));
        driver.pipe_record(&left(), Record::new("x".to_string(), row, time));
        let records = driver.records(&text()).into_iter();
        records.map(|record| (record.value, record.timestamp)).collect::<Vec<_>>()
    };
    let row = |value: &str, time| (Some(value.to_string()), time);
    assert_eq!(update(None, 1), [], "a row deleted that was not there");
    assert_eq!(update(Some(("0", 1)), 2), [row("1+None", 2)], "without a foreign key");
    assert_eq!(update(Some(("1", 1)), 3), [row("1+None", 3)]);
    assert_eq!(update(Some(("1", 1)), 4), [row("1+None", 4)], "the same again");
    assert_eq!(update(None, 5), [(None, 5)]);
}

#[test]
fn rows_that_are_not_kept_cannot_be_looked_up_or_grouped() {
    fn joined(b: &TopologyBuilder) -> Table<String, i64> {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        let others = b.table(&right(), Store::new("right", Utf8, Be64));
        rows.join_foreign("by-foreign", &others, foreign_key, |(_, a), b| a + b)
    }
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            joined(b).group_by(Topic::new("by-sum", Be64, Be64), |_, sum| (*sum, *sum));
        });
    });
    for part in ["group_by() of the table of foreign-join", "call materialize() on it first"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            b.stream(&text()).join(&joined(b), |text, _| text).to(&text());
        });
    });
    assert!(message.contains("call materialize() on it first"), "{message}");

    let mut driver = TopologyTestDriver::new(|b| {
        joined(b)
            .materialize(Store::new("joined", Utf8, Be64))
            .group_by(Topic::new("by-parity", Utf8, Be64), |_, sum| ((sum % 2).to_string(), *sum))
            .count(Store::new("count", Utf8, Be64))
            .to_stream()
            .to(&output());
    });
    driver.pipe(&right(), "1".to_string(), 5, 3);
    driver.pipe(&left(), "x".to_string(), ("1".to_string(), 9), 1);
    driver.pipe(&left(), "y".to_string(), ("1".to_string(), 9), 1);
    driver.restart();
    driver.pipe_null(&left(), "x".to_string(), 2);
    assert_eq!(driver.values(&output()), [1, 2, 1]);
}

#[test]
fn tables_that_do_not_know_their_serdes_are_told_them() {
    fn lengths(b: &TopologyBuilder) -> Table<String, i64> {
        b.table(&text(), Store::new("text", Utf8, Utf8)).map_values(|text| text.len() as i64)
    }
    fn join(b: &TopologyBuilder, lengths: &Table<String, i64>) {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        rows.join_foreign("by-foreign", lengths, foreign_key, |(_, a), b| a + b).to_stream().to(&output());
    }
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| join(b, &lengths(b)));
    });
    for part in ["foreign-join of the table of map-values", "call with_serdes() on it"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let mut driver = TopologyTestDriver::new(|b| join(b, &lengths(b).with_serdes(Utf8, Be64)));
    driver.pipe(&left(), "x".to_string(), ("t".to_string(), 10), 0);
    driver.pipe(&text(), "t".to_string(), "four".to_string(), 1);
    assert_eq!(driver.values(&output()), [14]);
}

/// Employees with managers: the table is joined with itself, so all topics are read by one sub-topology.
#[test]
fn a_table_is_joined_with_itself() {
    let mut driver = TopologyTestDriver::with_partitions(3, |b| {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        rows.join_foreign("manager", &rows, foreign_key, |(_, own), (_, other)| other - own).to_stream().to(&output());
    });
    for (key, manager, pay) in [("ann", "0", 9), ("bob", "ann", 5), ("joe", "bob", 4), ("ann", "joe", 7)] {
        driver.pipe(&left(), key.to_string(), (manager.to_string(), pay), 0);
    }
    let mut latest = Rows::new();
    follow(&mut latest, &mut driver, &output());
    let expected = [("ann", -3), ("bob", 2), ("joe", 1)].map(|(key, difference)| (key.to_string(), difference));
    assert_eq!(latest, Rows::from(expected));
}

/// Both topics lie in a circle, through which no time must be waited for.
#[test]
fn time_goes_on_behind_a_foreign_key_join() {
    let counts: Topic<Windowed<String>, i64> = Topic::new("counts", TimeWindowed::new(Utf8, 10), Be64);
    let to = counts.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let rows = b.table(&left(), Store::new("left", Utf8, Json));
        let others = b.table(&right(), Store::new("right", Utf8, Be64));
        rows.join_foreign("by-foreign", &others, foreign_key, |(_, a), b| a + b)
            .to_stream()
            .group_by_key()
            .windowed_by(TimeWindows::tumbling(std::time::Duration::from_millis(10)))
            .emit(Emit::OnWindowClose)
            .count(Store::new("counts", Utf8, Be64))
            .to_stream()
            .to(&to);
    });
    driver.pipe(&right(), "1".to_string(), 5, 0);
    for time in [1, 2, 13, 25] {
        driver.pipe(&left(), "x".to_string(), ("1".to_string(), time), time);
        driver.advance(std::time::Duration::from_millis(300));
    }
    let closed: Vec<_> = driver.entries(&counts).into_iter().map(|(key, count)| (key.window.start, count)).collect();
    assert_eq!(closed, [(0, Some(2)), (10, Some(1))]);
}
