use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::context::KafkaConsumer;

/// Drops a consumer, which closes it, in a thread of its own: librdkafka may wait for a broker that is gone. The receiver
/// hangs up when it is done. The thread waits until everybody else, the caller too, has let go of the consumer.
pub(crate) fn close_apart(consumer: Arc<KafkaConsumer>) -> Receiver<()> {
    let (closed, closing) = channel();
    let spawned = std::thread::Builder::new().name("kafka-close".into()).spawn(move || {
        drop_when_unshared(consumer);
        drop(closed);
    });
    if let Err(error) = spawned {
        tracing::warn!("no thread to close a consumer in: {error}");
    }
    closing
}

/// The last one to drop a consumer waits until it is closed: so that is never a reader, nor a commit under way.
fn drop_when_unshared(mut consumer: Arc<KafkaConsumer>) {
    loop {
        match Arc::try_unwrap(consumer) {
            Ok(consumer) => return drop(consumer),
            Err(shared) => consumer = shared,
        }
        consumer.poll(Duration::from_millis(5));
    }
}
