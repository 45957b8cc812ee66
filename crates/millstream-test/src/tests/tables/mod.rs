//! Tables over restarts and random updates: what is derived from them equals a recomputation from their rows.

mod foreign;
mod grouped;
mod joins;
mod moving;
mod of_stream;
mod ranked;
mod source;

use std::collections::BTreeMap;

use millstream::prelude::*;
use proptest::prelude::*;

use super::{output, panic_of};
use crate::TopologyTestDriver;

type Rows<V> = BTreeMap<String, V>;

fn left() -> Topic<String, (String, i64)> {
    Topic::new("left", Utf8, Json)
}

fn right() -> Topic<String, i64> {
    Topic::new("right", Utf8, Be64)
}

fn text() -> Topic<String, String> {
    Topic::new("text", Utf8, Utf8)
}

/// What a test does next: tables are updated in batches, which are processed and committed as one.
#[derive(Clone, Debug)]
enum Step {
    Left(Vec<(u8, Option<(u8, i64)>)>),
    Right(Vec<(u8, Option<i64>)>),
    Restart,
    /// The next commit, or one after it, is refused and done again.
    Refuse(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let left = (0..5_u8, prop::option::weighted(0.8, (0..4_u8, -9..10_i64)));
    let right = (0..4_u8, prop::option::weighted(0.7, -9..10_i64));
    let step = prop_oneof![
        4 => prop::collection::vec(left, 1..6).prop_map(Step::Left),
        3 => prop::collection::vec(right, 1..6).prop_map(Step::Right),
        1 => Just(Step::Restart),
        2 => (1..5_u32).prop_map(Step::Refuse),
    ];
    prop::collection::vec(step, 1..16)
}

/// Both tables, as their topics say.
#[derive(Default)]
struct Model {
    left: Rows<(String, i64)>,
    right: Rows<i64>,
    time: i64,
}

impl Model {
    fn apply(&mut self, driver: &mut TopologyTestDriver, step: &Step) {
        self.time += 10;
        let now = self.time;
        // Times go to and fro: a table takes the last update, whatever its time.
        let time = |index: usize| now - 7 * (index as i64 % 3);
        match step {
            Step::Restart => driver.restart(),
            Step::Refuse(number) => driver.refuse_commit(*number),
            Step::Left(updates) => {
                let updates = updates.iter().map(|(key, row)| (key.to_string(), row.map(|(f, v)| (f.to_string(), v))));
                let updates: Vec<_> = updates.collect();
                for (key, row) in &updates {
                    set(&mut self.left, key, row.clone());
                }
                let records = updates.into_iter().enumerate().map(|(i, (key, row))| Record::new(key, row, time(i)));
                driver.pipe_all(&left(), records);
            }
            Step::Right(updates) => {
                for (key, row) in updates {
                    set(&mut self.right, &key.to_string(), *row);
                }
                let records = updates.iter().enumerate();
                driver.pipe_all(&right(), records.map(|(i, (key, row))| Record::new(key.to_string(), *row, time(i))));
            }
        }
    }
}

fn set<V>(rows: &mut Rows<V>, key: &str, row: Option<V>) {
    match row {
        Some(row) => rows.insert(key.to_string(), row),
        None => rows.remove(key),
    };
}

/// Takes what came to a topic into the rows that it says.
fn follow<V: 'static>(rows: &mut Rows<V>, driver: &mut TopologyTestDriver, topic: &Topic<String, V>) {
    for (key, row) in driver.entries(topic) {
        set(rows, &key, row);
    }
}
