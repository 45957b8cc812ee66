use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::Flow;
use super::summary::Latencies;

const POLL: Duration = Duration::from_millis(50);

/// A consumer of the whole output, which waits for nothing but for records.
pub(super) fn consumer(servers: &str, topic: &str, partitions: i32, committed: bool) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "compare-latency")
        .set("enable.auto.commit", "false")
        .set("isolation.level", if committed { "read_committed" } else { "read_uncommitted" })
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "1")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

/// Reads until the flow ends; counts what was due when latencies counted.
pub(super) fn read(consumer: &BaseConsumer, flow: &Flow) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    while !flow.end.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(POLL) else { continue };
        let message = message.context("reading the output")?;
        let due = message.payload().and_then(|value| value.first_chunk()).context("a record without its time")?;
        let due_ns = u64::from_be_bytes(*due);
        if due_ns >= flow.counts_from.load(Ordering::Relaxed) {
            latencies.record(due_ns, flow.start.elapsed().as_nanos() as u64);
        }
        flow.received.fetch_add(1, Ordering::Relaxed);
    }
    Ok(latencies)
}
