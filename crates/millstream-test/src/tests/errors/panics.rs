use std::sync::Arc;
use std::sync::Mutex;

use millstream::worker::At;

use super::*;
use crate::tests::{input, output};

/// While user code runs, another thread can see which record is at which node; and so can the code itself, here.
#[test]
fn a_worker_says_where_it_is() {
    let seen: Arc<Mutex<Vec<Option<At>>>> = Arc::default();
    let driver: Arc<Mutex<Option<millstream_place::Look>>> = Arc::default();
    let (log, look) = (seen.clone(), driver.clone());
    let mut running = TopologyTestDriver::new(move |b| {
        let (log, look) = (log.clone(), look.clone());
        let note = move || {
            if let Some(look) = &*look.lock().unwrap() {
                log.lock().unwrap().push(look());
            }
        };
        let (before, after) = (note.clone(), note);
        let twice = b.stream(&input()).flat_map_values(move |value| {
            before();
            let after = after.clone();
            (0..2).map(move |n| {
                after();
                value + n
            })
        });
        twice.to(&output());
    });
    *driver.lock().unwrap() = Some(running.place());
    running.pipe(&input(), "a".to_owned(), 1, 0);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), 3);
    for at in seen {
        let text = running.describe(at.expect("a record is processed"));
        assert_eq!(text, "task 0_0, topic input, partition 0, offset 0, node flat-map-values-1");
    }
    assert_eq!(running.place()(), None, "nothing is processed");
}

mod millstream_place {
    pub(super) type Look = Box<dyn Fn() -> Option<millstream::worker::At> + Send>;
}

/// State that cannot be rolled back is thrown away, and comes back from the changelog.
#[test]
fn a_store_that_a_panic_left_borrowed_is_built_anew() {
    struct Leaky(KeyValueStore<String, i64>);
    impl Processor for Leaky {
        type KeyIn = String;
        type ValueIn = i64;
        type KeyOut = String;
        type ValueOut = i64;

        fn process(
            &self,
            context: &mut ProcessorContext<'_, '_, String, i64>,
            record: Record<String, i64>,
        ) -> Result<(), ProcessError> {
            let sum = self.0.get(&record.key).unwrap_or(0) + record.value;
            self.0.put(record.key.clone(), sum, record.timestamp);
            // From within a look at all rows nothing can be put: a panic while the store is borrowed.
            self.0.for_each(|_, _, _| {
                if is_poison(record.value) {
                    self.0.put("b".to_owned(), 1, 0);
                }
            });
            context.forward(record.with_value(sum))
        }
    }
    let options = all(ErrorPolicy::Skip, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, |b| {
        let store = b.store(Store::new("sums", Utf8, Be64));
        b.stream(&input()).process("leaky", Leaky(store.clone()), &[&store]).to(&output());
    });
    for value in [1, 13, 2] {
        driver.pipe(&input(), "a".to_owned(), value, 0);
    }
    assert_eq!(driver.values(&output()), [1, 3]);
    assert_eq!(driver.errors().values().sum::<u64>(), 1);
}
