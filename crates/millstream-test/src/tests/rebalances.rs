//! Members that are thrown out of their group, and hear of it late.

use std::time::Duration;

use millstream::client::read_all;
use millstream_memory::MemoryBroker;

use super::parking::{Process, pipe, prepare, until};
use super::{output, ticking};

#[test]
fn what_is_lost_before_it_was_answered_for_is_not_read() {
    let cluster = MemoryBroker::new();
    let broker = prepare(&cluster);
    let mut stays = Process::start("stays", &cluster);
    until(|| {
        stays.step();
        stays.tasks() == 2
    });
    // What is committed now is pending, so who is given the partitions cannot answer.
    cluster.hold_markers(true);
    pipe(&*broker, 10);
    until(|| {
        stays.step();
        cluster.held_markers() > 0
    });
    assert!(cluster.evict("app", 0));
    until(|| {
        stays.step();
        stays.tasks() == 0
    });
    for _ in 0..10 {
        stays.step();
    }
    assert_eq!(stays.tasks(), 0, "its assignment is not answered for");
    assert!(cluster.held_markers() > 0);
    // It is thrown out again, and another one is given everything, before it hears of that.
    assert!(cluster.evict("app", 0));
    let mut comes = Process::start("comes", &cluster);
    for _ in 0..10 {
        comes.step();
    }
    for _ in 0..10 {
        stays.step();
    }
    cluster.hold_markers(false);
    until(|| {
        stays.step();
        comes.step();
        stays.tasks() == 1 && comes.tasks() == 1
    });
    for _ in 0..100 {
        stays.step();
        comes.step();
        assert!(stays.tasks() == 1 && comes.tasks() == 1, "each task is with one of them");
    }
}

/// A punctuation reads nothing, so no position moves.
#[test]
fn what_a_punctuation_writes_is_refused_from_who_is_not_a_member_any_more() {
    let cluster = MemoryBroker::new();
    let broker = prepare(&cluster);
    let written = || read_all(&*broker, &output(), Duration::ZERO).unwrap().len();
    pipe(&*broker, 10);
    let mut first = Process::of("first", &cluster, ticking);
    until(|| {
        first.step();
        first.tasks() == 2 && first.instance.is_drained(&*broker).unwrap()
    });
    // A member punctuates.
    let before = written();
    first.worker.step(20_000);
    assert_eq!(written() - before, 8);
    assert!(cluster.evict("app", 0));
    let mut second = Process::of("second", &cluster, ticking);
    until(|| {
        second.step();
        second.tasks() == 2
    });
    let before = written();
    for now in 40_000..40_010 {
        first.worker.step(now);
    }
    assert_eq!(written(), before);
}
