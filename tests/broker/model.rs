//! Windows, joins and timers behind repartition topics: their final results do not depend on the order within a bound, on how
//! many partitions there are, or on what vanishes and is refused on the way.

use std::fmt::Debug;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Guarantee, Options};
use millstream_test::Simulation;
use millstream_test::simulation::{Odds, Random};
use millstream_tests::running::HANG;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const EVENTS: u64 = 5_000;
const NAMES: u64 = 23;
/// How far a record may be behind one before it, in ms; what waits for late records waits for so long.
const DISORDER_MS: i64 = 80;

/// An event: its number, and whether it is an answer. Its name, which it is grouped by, follows from its number.
type Event = (i64, bool);

fn topic<K, V>(name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
    Topic::new(format!("model-{name}"), key, value)
}

fn events() -> Topic<u64, Event> {
    topic("events", Be64, Json)
}

fn joined() -> Topic<u64, String> {
    topic("joined", Be64, Utf8)
}

fn hopping() -> TimeWindows {
    TimeWindows::hopping(ms(100), ms(50)).grace(ms(DISORDER_MS))
}

fn counted() -> Topic<Windowed<u64>, i64> {
    topic("counted", TimeWindowed::new(Be64, 100), Be64)
}

/// Sums of final counts: windows over the results of windows.
fn summed() -> Topic<Windowed<u64>, i64> {
    topic("summed", TimeWindowed::new(Be64, 500), Be64)
}

fn sessions() -> Topic<Windowed<u64>, i64> {
    topic("sessions", SessionWindowed(Be64), Be64)
}

fn sliding() -> Topic<Windowed<u64>, i64> {
    topic("sliding", TimeWindowed::new(Be64, 90), Be64)
}

fn suppressed() -> Topic<Windowed<u64>, i64> {
    topic("suppressed", TimeWindowed::new(Be64, 60), Be64)
}

fn reminded() -> Topic<u64, i64> {
    topic("reminded", Be64, Be64)
}

/// Reminds of each event once, a while after it.
struct Reminders(TimerStore<u64>);

impl Processor for Reminders {
    type KeyIn = u64;
    type ValueIn = Event;
    type KeyOut = u64;
    type ValueOut = i64;

    fn process(
        &self,
        _: &mut ProcessorContext<'_, '_, u64, i64>,
        record: Record<u64, Event>,
    ) -> Result<(), ProcessError> {
        self.0.set(record.key, record.timestamp + 200 + record.value.0 % 7);
        Ok(())
    }
}

impl TimerProcessor for Reminders {
    type TimerKey = u64;

    fn on_timer(
        &self,
        context: &mut ProcessorContext<'_, '_, u64, i64>,
        timer: Timer<u64>,
        _: Timestamp,
    ) -> Result<(), ProcessError> {
        context.forward(Record::new(timer.key, timer.at, timer.at))
    }
}

fn name_of(number: i64) -> u64 {
    // Scattered, so that records of a name come from all partitions.
    (number as u64).wrapping_mul(0x9e37_79b9) % NAMES
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms as u64)
}

fn define(b: &TopologyBuilder) {
    let named = b.stream(&events()).map(|_, event| (name_of(event.0), event));
    let questions = named.filter(|_, event| !event.1).repartition(Topic::new("questions", Be64, Json));
    let answers = named.filter(|_, event| event.1).repartition(Topic::new("answers", Be64, Json));
    let windows = JoinWindows::of_time_difference(ms(150)).grace(ms(DISORDER_MS));
    let stores = JoinStores::new("answered", Be64, Json, Json);
    questions
        .outer_join_windowed(&answers, windows, stores, |question: Option<&Event>, answer: Option<&Event>| {
            format!("{:?} {:?}", question.map(|event| event.0), answer.map(|event| event.0))
        })
        .to(&joined());

    let by_name = questions.group_by_key();
    let counts = by_name.windowed_by(hopping()).emit(Emit::OnWindowClose);
    let counts = counts.count(Store::new("counts", Be64, Be64)).to_stream().flat_map_values(|count: Option<i64>| count);
    counts.to(&counted());
    counts
        .map(|windowed, count| (windowed.key % 3, count))
        .repartition(Topic::new("thirds", Be64, Be64))
        .group_by_key()
        .windowed_by(TimeWindows::tumbling(ms(500)))
        .emit(Emit::OnWindowClose)
        .reduce(Store::new("sums", Be64, Be64), |a, b| a + b)
        .to_stream()
        .to(&summed());
    answers
        .group_by_key()
        .windowed_by(SessionWindows::inactivity_gap(ms(70)).grace(ms(DISORDER_MS)))
        .emit(Emit::OnWindowClose)
        .count(Store::new("sessions", Be64, Be64))
        .to_stream()
        .to(&sessions());
    answers
        .group_by_key()
        .windowed_by(SlidingWindows::of(ms(90)).grace(ms(DISORDER_MS)))
        .emit(Emit::OnWindowClose)
        .count(Store::new("sliding", Be64, Be64))
        .to_stream()
        .to(&sliding());
    by_name
        .windowed_by(TimeWindows::tumbling(ms(60)).grace(ms(DISORDER_MS)))
        .count(Store::new("to-suppress", Be64, Be64))
        .suppress(
            Suppressed::until_window_closes(Bound::unbounded()),
            Store::new("suppressed", TimeWindowed::new(Be64, 60), Be64),
        )
        .to_stream()
        .to(&suppressed());
    let timers = b.timers("reminders", Be64, PunctuationType::StreamTime);
    questions.process_with_timers("reminders", Reminders(timers.clone()), &timers, &[]).to(&reminded());
}

/// All results: topic, key, value and timestamp, sorted.
type Results = Vec<String>;

fn results(broker: &dyn Broker) -> Results {
    fn add<K: Debug + 'static, V: Debug + 'static>(all: &mut Results, broker: &dyn Broker, topic: &Topic<K, V>) {
        let read = read_all(broker, topic, HANG).unwrap().into_iter().map(|placed| placed.record);
        all.extend(read.map(|r| format!("{} {:?} {:?} {}", topic.name(), r.key, r.value, r.timestamp)));
    }
    let mut all = Vec::new();
    add(&mut all, broker, &joined());
    add(&mut all, broker, &counted());
    add(&mut all, broker, &summed());
    add(&mut all, broker, &sessions());
    add(&mut all, broker, &sliding());
    add(&mut all, broker, &suppressed());
    add(&mut all, broker, &reminded());
    all.sort();
    all
}

/// The events with their timestamps, each at most the bound behind those before it; another order for another seed.
fn history(seed: u64) -> Vec<(Event, i64)> {
    let mut random = StdRng::seed_from_u64(0);
    let mut time = 1_000;
    let mut events: Vec<(Event, i64)> = Vec::new();
    for number in 0..EVENTS {
        time += random.random_range(0..6);
        events.push(((number as i64, random.random_bool(0.4)), time));
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut start = 0;
    while start < events.len() {
        // What is shuffled lies within the bound; chunks of a random size.
        let bound = events[start].1 + random.random_range(0..DISORDER_MS);
        let end = start + events[start..].iter().take_while(|(_, time)| *time <= bound).count();
        events[start..end].shuffle(&mut random);
        start = end;
    }
    events
}

/// The topology over the history, to its end.
fn simulation(partitions: i32, order: u64) -> Simulation {
    let load = move |writer: &mut RecordWriter, _: &mut Random| {
        history(order).into_iter().try_for_each(|(event, timestamp)| {
            writer.send(&events(), &Record::new(event.0 as u64, Some(event), timestamp))
        })
    };
    let options = |options: &mut Options| (options.commit_interval_ms, options.watermark_interval_ms) = (0, 0);
    Simulation::of(define).partitions(partitions).load(load).options(options)
}

fn undisturbed(partitions: i32, order: u64) -> Results {
    results(simulation(partitions, order).calm().run_seed(order).broker())
}

#[test]
fn the_order_and_the_number_of_partitions_change_nothing() {
    let expected = undisturbed(1, 0);
    let sum_of = |topic: &str| {
        let of_topic = expected.iter().filter(|line| line.starts_with(&format!("model-{topic} ")));
        of_topic
            .map(|line| line.split("Some(").nth(1).unwrap().split(')').next().unwrap().parse::<i64>().unwrap())
            .sum::<i64>()
    };
    assert_eq!(sum_of("counted"), sum_of("summed"), "windows over the results of windows lose none");
    let pairs = expected.iter().filter(|line| !line.contains("None")).count();
    assert!(pairs > 1_000 && expected.len() > pairs, "{pairs} pairs of {} results", expected.len());
    for partitions in [1, 3, 12] {
        for order in 1..4 {
            let found = undisturbed(partitions, order);
            compare(&expected, &found, &format!("{partitions} partitions, order {order}"));
        }
    }
}

#[test]
fn whatever_goes_wrong_changes_nothing() {
    let expected = undisturbed(2, 0);
    for seed in 0..6 {
        compare(&expected, &results(simulation(2, 0).run_seed(seed).broker()), &format!("seed {seed}"));
    }
}

/// What is not doubled by processing again is there: each pair, and each reminder.
#[test]
fn at_least_once_loses_no_pair_and_no_timer() {
    let once = |line: &&String| {
        line.starts_with("model-reminded") || (line.starts_with("model-joined") && !line.contains("None"))
    };
    let expected = undisturbed(2, 0);
    for seed in 0..4 {
        // Nobody goes on beside the new owner of its partitions.
        let odds = |odds: &mut Odds| (odds.pause, odds.rebalance) = (0, 0);
        let simulation = simulation(2, 0).options(|options| options.guarantee = Guarantee::AtLeastOnce).odds(odds);
        let found = results(simulation.run_seed(seed).broker());
        let lost: Vec<_> = expected.iter().filter(once).filter(|line| !found.contains(line)).take(5).collect();
        assert!(lost.is_empty(), "seed {seed}: lost {lost:#?}");
    }
}

#[track_caller]
fn compare(expected: &Results, found: &Results, what: &str) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(5).collect();
    let beyond: Vec<_> = found.iter().filter(|line| !expected.contains(line)).take(5).collect();
    assert!(
        expected == found,
        "{what}: {} results instead of {}; missing {missing:#?}, beyond {beyond:#?}",
        found.len(),
        expected.len()
    );
}
