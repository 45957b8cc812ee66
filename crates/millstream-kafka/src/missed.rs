//! An assignment that a member was not told of.
//!
//! With the consumer protocol a broker tells a member of its partitions once: with the answer to the heartbeat after which
//! it gave them to it. If that answer is lost, it tells them again to a member that states all it knows, as the protocol
//! asks of one that got no answer. librdkafka (2.12.1) does that after a lost connection, and not after an answer that is
//! late: the partitions would be read by nobody until the next change of the group.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::TopicPartition;
use rdkafka::consumer::Consumer;

use crate::context::KafkaConsumer;
use crate::native::GivenQuestion;

/// For how long after a heartbeat without an answer it is asked: a broker may yet come to that heartbeat.
const WATCH: Duration = Duration::from_secs(30);

/// How long after one question the next one comes, and the first one after the heartbeat: by then it is known if no broker
/// is there.
const PAUSE: Duration = Duration::from_secs(2);

/// A difference that lasts for so long is not on its way with the next heartbeat: these are 5 s apart by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks whether a member misses an assignment, once a heartbeat of it was not answered.
#[derive(Default)]
pub(crate) struct Missed {
    suspicion: Suspicion,
    question: Option<GivenQuestion>,
    /// Nothing is asked before.
    not_before: Option<Instant>,
}

impl Missed {
    /// Asks if there is reason to, without waiting; returns what the group has given to the member once there is an answer
    /// (the inner `None`: it does not say). What is on its way to a member that is not settled is no difference. `can_ask` is whether brokers
    /// are there.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        consumer: &Arc<KafkaConsumer>,
        group: &str,
        is_settled: bool,
        can_ask: bool,
    ) -> Option<Option<HashSet<TopicPartition>>> {
        if consumer.context().take_unanswered_heartbeat() {
            self.suspicion.begin(now);
            self.not_before = Some(now + PAUSE);
        }
        if !is_settled {
            self.suspicion.difference = None;
            return None;
        }
        if let Some(given) = self.question.as_ref().and_then(GivenQuestion::answer) {
            self.question = None;
            self.not_before = Some(now + PAUSE);
            return Some(given);
        }
        let is_time = self.not_before.is_none_or(|then| now >= then);
        if self.question.is_none() && is_time && can_ask && self.suspicion.lasts(now) {
            self.question = GivenQuestion::ask(consumer, group);
        }
        None
    }

    /// Whether the member misses something for sure, if that was the answer and it was told of `known`.
    pub(crate) fn is_sure(
        &mut self,
        now: Instant,
        given: Option<HashSet<TopicPartition>>,
        known: &HashSet<TopicPartition>,
    ) -> bool {
        self.suspicion.answered(now, given, known)
    }

    /// Nothing is asked any more.
    pub(crate) fn end(&mut self) {
        *self = Missed::default();
    }
}

/// When there is reason to ask, and what was answered.
#[derive(Default)]
struct Suspicion {
    until: Option<Instant>,
    /// What the group has given to the member, and since when that differs from what the member knows.
    difference: Option<(Instant, HashSet<TopicPartition>)>,
}

impl Suspicion {
    fn begin(&mut self, now: Instant) {
        self.until = Some(now + WATCH);
        self.difference = None;
    }

    fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until) || self.difference.is_some()
    }

    /// `given` is what the answer says that the member has, if it says so; returns whether the member misses something.
    fn answered(
        &mut self,
        now: Instant,
        given: Option<HashSet<TopicPartition>>,
        known: &HashSet<TopicPartition>,
    ) -> bool {
        let Some(given) = given else {
            // As long as it is not known, it is asked.
            if self.until.is_some() {
                self.until = Some(now + WATCH);
            }
            self.difference = None;
            return false;
        };
        if given == *known {
            self.difference = None;
            return false;
        }
        match &self.difference {
            Some((since, same)) if *same == given => {
                let is_sure = now - *since >= PATIENCE;
                if is_sure {
                    *self = Suspicion::default();
                }
                is_sure
            }
            _ => {
                self.difference = Some((now, given));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(partitions: &[i32]) -> HashSet<TopicPartition> {
        partitions.iter().map(|partition| TopicPartition::new("t", *partition)).collect()
    }

    #[test]
    fn a_difference_that_lasts_is_told_once() {
        let (start, mut suspicion) = (Instant::now(), Suspicion::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!suspicion.lasts(start));
        suspicion.begin(start);
        assert!(suspicion.lasts(at(29)) && !suspicion.lasts(at(30)));
        assert!(!suspicion.answered(at(2), Some(set(&[0, 1])), &set(&[0])));
        assert!(!suspicion.answered(at(11), Some(set(&[0, 1])), &set(&[0])));
        assert!(suspicion.answered(at(12), Some(set(&[0, 1])), &set(&[0])));
        assert!(!suspicion.lasts(at(13)));
    }

    #[test]
    fn what_changes_or_is_told_in_time_is_no_reason() {
        let (start, mut suspicion) = (Instant::now(), Suspicion::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        suspicion.begin(start);
        assert!(!suspicion.answered(at(1), Some(set(&[0, 1])), &set(&[0])));
        // Something else, from which it counts anew.
        assert!(!suspicion.answered(at(11), Some(set(&[1])), &set(&[0])));
        // Told.
        assert!(!suspicion.answered(at(22), Some(set(&[1])), &set(&[1])));
        assert!(!suspicion.answered(at(23), Some(set(&[0, 1])), &set(&[1])));
        // Another heartbeat without an answer.
        suspicion.begin(at(24));
        assert!(!suspicion.answered(at(34), Some(set(&[0, 1])), &set(&[1])));
        assert!(suspicion.lasts(at(100)), "as long as it differs");
        assert!(!suspicion.answered(at(35), None, &set(&[1])));
        assert!(suspicion.lasts(at(64)) && !suspicion.lasts(at(65)), "an error is no answer");
    }
}
