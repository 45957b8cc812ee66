use super::*;

fn seen() -> Topic<String, i64> {
    Topic::new("seen", Utf8, Be64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn joins_by_key_are_what_their_rows_say(steps in steps(), partitions in 1..4, kind in 0..3) {
        let mut driver = TopologyTestDriver::with_partitions(partitions, move |b| {
            let rows = b.table(&left(), Store::new("left", Utf8, Json)).map_values(|(_, value)| *value);
            let others = b.table(&right(), Store::new("right", Utf8, Be64)).filter_not(|_, value| *value == 0);
            let joined = match kind {
                0 => rows.join(&others, |a, b| format!("{:?}", (Some(a), Some(b)))),
                1 => rows.left_join(&others, |a, b| format!("{:?}", (Some(a), b))),
                _ => rows.outer_join(&others, |a, b| format!("{:?}", (a, b))),
            };
            joined.to_stream().to(&text());
            // How many rows have one length, which only right values before can tell.
            joined
                .group_by(Topic::new("by-length", Utf8, Utf8), |_, row| (row.len().to_string(), row.clone()))
                .count(Store::new("lengths", Utf8, Be64))
                .to_stream()
                .to(&output());
            // The view, looked into at each change.
            let view = joined.to_stream().left_join(&joined, |row, in_view| i64::from(row.as_ref() == in_view));
            view.to(&seen());
        });
        let (mut model, mut joined, mut lengths) = (Model::default(), Rows::new(), Rows::new());
        for step in &steps {
            model.apply(&mut driver, step);
            follow(&mut joined, &mut driver, &text());
            follow(&mut lengths, &mut driver, &output());
            let mut expected = Rows::new();
            for key in model.left.keys().chain(model.right.keys()) {
                let a = model.left.get(key).map(|(_, value)| value);
                let b = model.right.get(key).filter(|value| **value != 0);
                let there = match kind {
                    0 => a.is_some() && b.is_some(),
                    1 => a.is_some(),
                    _ => a.is_some() || b.is_some(),
                };
                if there {
                    expected.insert(key.clone(), format!("{:?}", (a, b)));
                }
            }
            prop_assert_eq!(&joined, &expected);
            let mut by_length = Rows::new();
            for row in expected.values() {
                *by_length.entry(row.len().to_string()).or_insert(0) += 1;
            }
            lengths.retain(|_, count| *count != 0);
            prop_assert_eq!(&lengths, &by_length);
            prop_assert!(driver.values(&seen()).into_iter().all(|same| same == 1));
        }
    }
}

/// Pipes updates of the tables `a` and `b` (`true`), and gives what comes out after each.
fn outputs(driver: &mut TopologyTestDriver) -> Vec<Vec<(Option<String>, Timestamp)>> {
    let topics = [Topic::new("a", Utf8, Be64), Topic::new("b", Utf8, Be64)];
    let updates = UPDATES.iter().map(|(second, value, time)| {
        driver.pipe_record(&topics[usize::from(*second)], Record::new("k".to_string(), *value, *time));
        driver.records(&text()).into_iter().map(|record| (record.value, record.timestamp)).collect()
    });
    updates.collect()
}

fn two_tables(b: &TopologyBuilder) -> [Table<String, i64>; 2] {
    ["a", "b"].map(|name| b.table(&Topic::new(name, Utf8, Be64), Store::new(name, Utf8, Be64)))
}

/// Absent rows that are deleted, repeated values, and times that go back.
const UPDATES: [(bool, Option<i64>, Timestamp); 10] = [
    (false, None, 1),
    (false, Some(1), 20),
    (true, None, 5),
    (true, Some(2), 10),
    (true, Some(2), 30),
    (false, None, 3),
    (false, None, 4),
    (true, Some(3), 2),
    (false, Some(4), 1),
    (true, None, 0),
];

fn row(text: &str, time: Timestamp) -> Vec<(Option<String>, Timestamp)> {
    vec![(Some(text.to_string()), time)]
}

fn tombstone(time: Timestamp) -> Vec<(Option<String>, Timestamp)> {
    vec![(None, time)]
}

/// As KTableKTableInnerJoin does.
#[test]
fn an_inner_join_sends_what_kafka_streams_sends() {
    let mut driver = TopologyTestDriver::new(|b| {
        let [a, b] = two_tables(b);
        a.join(&b, |a, b| format!("{a}+{b}")).to_stream().to(&text());
    });
    let expected = [
        vec![],
        vec![],
        tombstone(20),
        row("1+2", 20),
        row("1+2", 30),
        tombstone(30),
        tombstone(30),
        vec![],
        row("4+3", 2),
        tombstone(1),
    ];
    assert_eq!(outputs(&mut driver), expected);
}

/// As KTableKTableLeftJoin does for updates of the left table, and KTableKTableRightJoin for those of the right one.
#[test]
fn a_left_join_sends_what_kafka_streams_sends() {
    let mut driver = TopologyTestDriver::new(|b| {
        let [a, b] = two_tables(b);
        a.left_join(&b, |a, b| format!("{a}+{b:?}")).to_stream().to(&text());
    });
    let expected = [
        vec![],
        row("1+None", 20),
        row("1+None", 20),
        row("1+Some(2)", 20),
        row("1+Some(2)", 30),
        tombstone(30),
        tombstone(30),
        vec![],
        row("4+Some(3)", 2),
        row("4+None", 1),
    ];
    assert_eq!(outputs(&mut driver), expected);
}

/// As KTableKTableOuterJoin does.
#[test]
fn an_outer_join_sends_what_kafka_streams_sends() {
    let mut driver = TopologyTestDriver::new(|b| {
        let [a, b] = two_tables(b);
        a.outer_join(&b, |a, b| format!("{a:?}+{b:?}")).to_stream().to(&text());
    });
    let expected = [
        vec![],
        row("Some(1)+None", 20),
        row("Some(1)+None", 20),
        row("Some(1)+Some(2)", 20),
        row("Some(1)+Some(2)", 30),
        row("None+Some(2)", 30),
        row("None+Some(2)", 30),
        row("None+Some(3)", 2),
        row("Some(4)+Some(3)", 2),
        row("Some(4)+None", 1),
    ];
    assert_eq!(outputs(&mut driver), expected);
}
