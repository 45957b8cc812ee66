use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use millstream::serde::SerdeError;
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

/// Of strings, so that commits measure them; the first measurement panics.
struct Measured(Arc<AtomicBool>);

impl Serde<String> for Measured {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        Utf8.encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, SerdeError> {
        Utf8.decode(bytes)
    }

    fn heap_bytes(&self, value: &String) -> Option<usize> {
        assert!(self.0.swap(true, Ordering::Relaxed), "not the first time");
        Some(value.capacity())
    }
}

/// When it is committed and stores forget what was before, there is nothing to roll back: state is built anew.
#[test]
fn a_panic_after_a_commit_takes_nothing_back() {
    for guarantee in GUARANTEES {
        let panicked = Arc::new(AtomicBool::new(false));
        let measured = panicked.clone();
        let mut driver = TopologyTestDriver::with_options(all(ErrorPolicy::Fail, guarantee), move |b| {
            let texts = Store::new("texts", Utf8, Measured(measured.clone()));
            let added = |_: &String, value: i64, text: &mut String| text.push_str(&value.to_string());
            let texts = b.stream(&input()).group_by_key().aggregate(texts, String::new, added);
            texts.to_stream().to(&Topic::new("texts", Utf8, Utf8));
        });
        let texts = Topic::new("texts", Utf8, Utf8);
        for value in [1, 2, 3] {
            driver.pipe(&input(), "a".to_owned(), value, 0);
        }
        assert!(panicked.load(Ordering::Relaxed));
        let expected = ["1", "12", "123"];
        assert_eq!(driver.entries(&texts), expected.map(|text| ("a".to_owned(), Some(text.to_owned()))));
        assert_eq!((driver.aborts(), counted(&driver).len()), (0, 0));
    }
}
