use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::Flow;
use super::schedule::Schedule;

/// The longest that the loader sleeps when nothing is due: what it adds to latencies at most.
const NAP: Duration = Duration::from_micros(200);

/// How many records are sent before the queue of deliveries is looked at.
const BURST: u64 = 256;

const FLUSH_LIMIT: Duration = Duration::from_secs(30);

/// Writes records that say when they were due. Its producer lingers for a millisecond, which is in the latencies: without, each
/// record would be a request of its own, and the broker would have nothing but loading to do.
pub(super) struct Loader<'a> {
    producer: BaseProducer,
    topic: &'a str,
    partitions: i32,
    value_size: usize,
}

impl<'a> Loader<'a> {
    pub(super) fn new(servers: &str, topic: &'a str, partitions: i32, value_size: usize) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", "1000000")
            .create()?;
        Ok(Loader { producer, topic, partitions, value_size: value_size.max(8) })
    }

    /// Sends as much as comes out, for `duration` twice, and says how many records a second came out in the second one.
    pub(super) fn saturate(&self, flow: &Flow, duration: Duration, under_way_max: u64) -> Result<f64> {
        let mut value = vec![b'x'; self.value_size];
        let begin = flow.start.elapsed();
        let (mut number, mut half) = (0, None);
        loop {
            let now = flow.start.elapsed();
            let received = flow.received.load(Ordering::Relaxed);
            if now >= begin + duration {
                let (at, before) = *half.get_or_insert((now, received));
                if now >= at + duration {
                    self.flush()?;
                    return Ok((received - before) as f64 / (now - at).as_secs_f64());
                }
            }
            if flow.sent.load(Ordering::Relaxed) - received >= under_way_max {
                self.producer.poll(NAP);
                continue;
            }
            for _ in 0..BURST {
                self.send(flow, number, flow.start.elapsed().as_nanos() as u64, &mut value)?;
                number += 1;
            }
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Sends records at `rate` a second from `begin` on, each as soon as it is due, for `duration`.
    pub(super) fn offer(&self, flow: &Flow, rate: f64, begin: Duration, duration: Duration) -> Result<()> {
        let schedule = Schedule { begin, rate };
        let all = (duration.as_secs_f64() * rate) as u64;
        let mut value = vec![b'x'; self.value_size];
        let mut number = 0;
        while number < all {
            let due = schedule.due_at(flow.start.elapsed()).min(all);
            if number == due {
                let next = Duration::from_nanos(schedule.due_ns(number)).saturating_sub(flow.start.elapsed());
                thread::sleep(next.min(NAP));
            }
            while number < due {
                self.send(flow, number, schedule.due_ns(number), &mut value)?;
                number += 1;
                if number.is_multiple_of(BURST) {
                    self.producer.poll(Duration::ZERO);
                }
            }
            self.producer.poll(Duration::ZERO);
        }
        self.flush()
    }

    fn flush(&self) -> Result<()> {
        self.producer.flush(FLUSH_LIMIT).context("sending the last records")
    }

    fn send(&self, flow: &Flow, number: u64, due_ns: u64, value: &mut [u8]) -> Result<()> {
        value[..8].copy_from_slice(&due_ns.to_be_bytes());
        let key = number.to_be_bytes();
        let partition = (number % self.partitions as u64) as i32;
        let mut record = BaseRecord::to(self.topic).partition(partition).key(&key[..]).payload(&*value);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    self.producer.poll(NAP);
                    record = same;
                }
                Err((error, _)) => return Err(error).with_context(|| format!("sending to {}", self.topic)),
            }
        }
        flow.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
