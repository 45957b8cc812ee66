//! Timers over restarts and aborts.

use std::time::Duration;

use millstream::prelude::*;

use super::{input, output, panic_of};
use crate::TopologyTestDriver;

/// Sets a timer for each record, `value` ms after it, and forwards what fires with the time that has come. A timer of `again`
/// sets itself again for the same time, as often as its store says.
struct Reminder {
    timers: TimerStore<String>,
    again: KeyValueStore<String, i64>,
}

impl Processor for Reminder {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        _: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        if record.key == "again" {
            self.again.put(record.key.clone(), 2, record.timestamp);
        }
        self.timers.set(record.key, record.timestamp + record.value);
        Ok(())
    }
}

impl TimerProcessor for Reminder {
    type TimerKey = String;

    fn on_timer(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        timer: Timer<String>,
        time: Timestamp,
    ) -> Result<(), ProcessError> {
        let left = self.again.get(&timer.key).unwrap_or(0);
        if left > 0 {
            self.again.put(timer.key.clone(), left - 1, timer.at);
            self.timers.set(timer.key.clone(), timer.at);
        }
        context.forward(Record::new(timer.key, time, timer.at))
    }
}

fn reminders(kind: PunctuationType) -> impl Fn(&TopologyBuilder) {
    move |b| {
        let timers = b.timers("reminders", Utf8, kind);
        let again = b.store(Store::new("again", Utf8, Be64));
        let reminder = Reminder { timers: timers.clone(), again: again.clone() };
        b.stream(&input()).process_with_timers("reminder", reminder, &timers, &[&again]).to(&output());
    }
}

fn fired(driver: &mut TopologyTestDriver) -> Vec<(String, Timestamp, i64)> {
    let records = driver.records(&output()).into_iter();
    records.map(|record| (record.key, record.timestamp, record.value.unwrap())).collect()
}

fn pipe(driver: &mut TopologyTestDriver, key: &str, after: i64, timestamp: Timestamp) {
    driver.pipe(&input(), key.to_string(), after, timestamp);
}

fn timers(expected: &[(&str, Timestamp, i64)]) -> Vec<(String, Timestamp, i64)> {
    expected.iter().map(|(key, at, time)| (key.to_string(), *at, *time)).collect()
}

#[test]
fn timers_fire_once_over_restarts_and_aborts_in_the_order_of_their_times() {
    for disturb in [
        |_: &mut TopologyTestDriver| (),
        |driver: &mut TopologyTestDriver| driver.restart(),
        |driver: &mut TopologyTestDriver| driver.refuse_next_commit(),
    ] {
        let mut driver = TopologyTestDriver::new(reminders(PunctuationType::StreamTime));
        for (key, after, timestamp) in [("c", 50, 0), ("a", 40, 5), ("b", 40, 5), ("c", 41, 5)] {
            disturb(&mut driver);
            pipe(&mut driver, key, after, timestamp);
        }
        assert_eq!(fired(&mut driver), []);
        disturb(&mut driver);
        pipe(&mut driver, "z", 900, 46);
        assert_eq!(fired(&mut driver), timers(&[("a", 45, 46), ("b", 45, 46), ("c", 46, 46)]));
        disturb(&mut driver);
        pipe(&mut driver, "z", 900, 60);
        assert_eq!(fired(&mut driver), timers(&[("c", 50, 60)]));
        disturb(&mut driver);
        pipe(&mut driver, "z", 900, 61);
        assert_eq!(fired(&mut driver), [], "each fires once");
    }
}

#[test]
fn refused_commits_are_aborts() {
    let mut driver = TopologyTestDriver::new(reminders(PunctuationType::StreamTime));
    driver.refuse_next_commit();
    pipe(&mut driver, "a", -1, 10);
    assert_eq!(driver.aborts(), 1);
    assert_eq!(fired(&mut driver), timers(&[("a", 9, 10)]), "a time that has come fires after the record, once");
}

#[test]
fn a_timer_set_for_the_past_by_a_timer_fires_without_a_record() {
    let mut driver = TopologyTestDriver::new(reminders(PunctuationType::StreamTime));
    pipe(&mut driver, "again", 0, 10);
    assert_eq!(fired(&mut driver), timers(&[("again", 10, 10), ("again", 10, 10), ("again", 10, 10)]));
    driver.restart();
    pipe(&mut driver, "z", 900, 11);
    assert_eq!(fired(&mut driver), [], "it was set again twice");
}

#[test]
fn timers_by_the_wall_clock_need_no_records() {
    let mut driver = TopologyTestDriver::new(reminders(PunctuationType::WallClock));
    pipe(&mut driver, "a", 500, 0);
    pipe(&mut driver, "b", 100, 1_000_000);
    driver.advance(Duration::from_millis(499));
    assert_eq!(fired(&mut driver), []);
    driver.restart();
    driver.refuse_next_commit();
    driver.advance(Duration::from_millis(1));
    assert_eq!(fired(&mut driver), timers(&[("a", 500, 600)]), "once: the first try was refused, and 100 ms later");
    assert_eq!(driver.aborts(), 1);
    driver.restart();
    driver.advance(Duration::from_secs(10));
    assert_eq!(fired(&mut driver), []);
}

#[test]
fn timers_of_two_processors_are_an_error() {
    let define = |b: &TopologyBuilder| {
        let timers = b.timers("reminders", Utf8, PunctuationType::StreamTime);
        let again = b.store(Store::new("again", Utf8, Be64));
        for name in ["first", "second"] {
            let reminder = Reminder { timers: timers.clone(), again: again.clone() };
            b.stream(&Topic::new(name, Utf8, Be64)).process_with_timers(name, reminder, &timers, &[&again]);
        }
    };
    let message = panic_of(|| drop(TopologyTestDriver::new(define)));
    assert!(message.contains("processor second: timers reminders are given to two processors"), "{message}");
}
