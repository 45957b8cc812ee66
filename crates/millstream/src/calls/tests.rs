use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context as Polling, Poll, Waker};
use std::time::Duration;

use super::{AsyncOptions, CallOrder, Calls, PendingCalls, Retry};
use crate::broker::{BrokerError, Committed, Outgoing, Producer, TopicId, TopicPartition};
use crate::executor::{Calling, Executor, Work};
use crate::processor::{Context, Origin, Output, Place};
use crate::record::Record;
use crate::time::Clock;

/// What the calls under way are to answer: by value, in the order in which they began; `None` not yet.
type Answers = Arc<Mutex<Vec<(i64, Option<i64>)>>>;

#[derive(Default)]
struct ByHand(Mutex<Vec<Work>>);

impl ByHand {
    /// Polls all work once.
    fn poll(&self) {
        let works = std::mem::take(&mut *self.0.lock().unwrap());
        for mut work in works {
            if work.as_mut().poll(&mut Polling::from_waker(Waker::noop())).is_pending() {
                self.0.lock().unwrap().push(work);
            }
        }
    }
}

impl Executor for ByHand {
    fn spawn(&self, work: Work) {
        self.0.lock().unwrap().push(work);
    }

    fn sleep(&self, _: Duration) -> Work {
        Box::pin(std::future::pending())
    }
}

struct Unused;

impl Producer for Unused {
    fn topic(&mut self, _: &str) -> Result<TopicId, BrokerError> {
        Ok(TopicId(0))
    }

    fn partitions(&mut self, _: TopicId) -> Result<i32, BrokerError> {
        Ok(1)
    }

    fn send(&mut self, _: Outgoing<'_>) -> Result<(), BrokerError> {
        Ok(())
    }

    fn commit(&mut self, _: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        Ok(())
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        Ok(())
    }
}

struct Bench {
    calls: Calls<char, i64, i64>,
    executor: Arc<ByHand>,
    output: Output,
    answers: Answers,
    pushed: Rc<RefCell<Vec<(i64, i64)>>>,
}

impl Bench {
    fn new(concurrency: usize, order: CallOrder) -> Self {
        let (answers, pushed): (Answers, Rc<RefCell<Vec<_>>>) = Default::default();
        let begun = answers.clone();
        let begin = move |record: Record<char, i64>| {
            let (value, answers) = (record.value, begun.clone());
            let mut answers_of_call = answers.lock().unwrap();
            let place = answers_of_call.len();
            answers_of_call.push((value, None));
            drop(answers_of_call);
            let answer = std::future::poll_fn(move |_| match answers.lock().unwrap()[place].1 {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            });
            Box::pin(answer) as super::Attempt<i64>
        };
        let to = pushed.clone();
        let forward = move |_: &mut Context<'_>, record: Record<char, i64>, answer| {
            to.borrow_mut().push((record.value, answer));
            Ok(())
        };
        let options = AsyncOptions::new(concurrency).order(order).retry(Retry::never());
        let executor = Arc::new(ByHand::default());
        let calling = Calling { executor: executor.clone(), waker: Arc::new(|| ()) };
        let output = Output::new(Box::new(Unused), Some(calling));
        Bench { calls: Calls::new(0, options, begin, forward), executor, output, answers, pushed }
    }

    fn add(&mut self, key: char, value: i64) {
        let origin = Some(Origin { topic: "in", partition: 0, offset: value });
        let (output, clock) = (&mut self.output, &Clock::default());
        let context = &mut Context { output, at: &Place::default(), origin, clock, wall_clock: 0 };
        self.calls.add(context, Record::new(key, value, value * 100)).unwrap();
        self.executor.poll();
    }

    /// The values whose calls have begun.
    fn begun(&self) -> Vec<i64> {
        self.answers.lock().unwrap().iter().map(|(value, _)| *value).collect()
    }

    /// The call that began as the so-manieth answers.
    fn answer(&mut self, place: usize, answer: i64) {
        self.answers.lock().unwrap()[place].1 = Some(answer);
        self.executor.poll();
    }

    /// What is pushed on now.
    fn deliver(&mut self) -> Vec<(i64, i64)> {
        while self
            .calls
            .deliver(&mut self.output, &Place::default(), &Clock::default(), 0)
            .is_ok_and(|delivered| delivered)
        {}
        self.executor.poll();
        self.pushed.take()
    }
}

#[test]
fn what_waits_holds_the_oldest_timestamp() {
    let mut bench = Bench::new(2, CallOrder::None);
    assert_eq!(bench.calls.oldest_timestamp(), None);
    [3, 1, 2].into_iter().for_each(|value| bench.add('a', value));
    assert_eq!((bench.begun(), bench.calls.oldest_timestamp()), (vec![3, 1], Some(100)));
    assert!(!bench.calls.has_room());
    bench.answer(1, 11);
    assert_eq!(bench.deliver(), [(1, 11)]);
    assert_eq!((bench.begun(), bench.calls.oldest_timestamp()), (vec![3, 1, 2], Some(200)));
    bench.answer(0, 13);
    bench.answer(2, 12);
    assert_eq!(bench.deliver(), [(3, 13), (2, 12)]);
    assert!(bench.calls.is_empty() && bench.calls.has_room());
    assert_eq!(bench.calls.oldest_timestamp(), None);
}

#[test]
fn a_key_that_is_busy_holds_up_no_other_up_to_a_limit() {
    let mut bench = Bench::new(2, CallOrder::PerKey);
    (0..5).for_each(|value| bench.add('a', value));
    assert!(bench.calls.has_room());
    bench.add('b', 5);
    assert_eq!(bench.begun(), [0, 5]);
    bench.answer(1, 0);
    assert_eq!(bench.deliver(), [(5, 0)]);
    assert!(bench.calls.has_room());
    (6..9).for_each(|value| bench.add('a', value));
    assert!(!bench.calls.has_room(), "eight wait");
}

/// What was under way when the task went back comes to nothing, and nothing else begins before it has ended.
#[test]
fn what_is_forgotten_is_cancelled_and_its_results_are_thrown_away() {
    for order in [CallOrder::None, CallOrder::PerKey, CallOrder::PerPartition] {
        let mut bench = Bench::new(2, order);
        [('a', 0), ('b', 1), ('c', 2)].into_iter().for_each(|(key, value)| bench.add(key, value));
        // One has ended, but nobody knows yet.
        bench.answer(0, 50);
        bench.calls.forget();
        assert!(bench.calls.is_empty());
        assert_eq!(bench.calls.oldest_timestamp(), None);

        let origin = Some(Origin { topic: "in", partition: 0, offset: 0 });
        let clock = &Clock::default();
        let (at, output) = (&Place::default(), &mut bench.output);
        let context = &mut Context { output, at, origin, clock, wall_clock: 0 };
        bench.calls.add(context, Record::new('a', 0, 0)).unwrap();
        // The executor has not had it in hand since, so it may still do something.
        assert_eq!(bench.executor.0.lock().unwrap().len(), 1, "{order:?}: the one that is cancelled");
        assert_eq!(bench.deliver(), [], "{order:?}");
        assert_eq!((bench.begun(), bench.deliver()), (vec![0, 1], vec![]), "{order:?}");
        assert_eq!(bench.begun(), [0, 1, 0], "{order:?}");
        bench.answer(2, 60);
        assert_eq!(bench.deliver(), [(0, 60)], "{order:?}");
    }
}

#[test]
fn a_task_that_is_gone_takes_its_calls_along() {
    let mut bench = Bench::new(2, CallOrder::None);
    bench.add('a', 0);
    let Bench { calls, executor, .. } = bench;
    assert_eq!(executor.0.lock().unwrap().len(), 1);
    drop(calls);
    executor.poll();
    assert!(executor.0.lock().unwrap().is_empty());
}

#[test]
fn without_an_executor_a_call_is_an_error() {
    let mut bench = Bench::new(2, CallOrder::None);
    bench.output.calling = None;
    let (at, clock, output) = (&Place::default(), &Clock::default(), &mut bench.output);
    let context = &mut Context { output, at, origin: None, clock, wall_clock: 0 };
    let error = bench.calls.add(context, Record::new('a', 0, 0)).unwrap_err();
    assert_eq!(error.to_string(), "there is no executor for asynchronous calls");
}
