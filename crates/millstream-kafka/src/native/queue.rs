use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use millstream::broker::{BrokerError, ErrorKind, Message, TopicPartition, Waker};
use millstream::record::Headers;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys::bindings as sys;

use crate::context::KafkaConsumer;

/// The queue of one partition, cut off from its consumer's own queue. Wakes the waker until it is dropped.
pub(crate) struct PartitionQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    consumer: Arc<KafkaConsumer>,
    /// Ours; shared with librdkafka, which calls it, until the callback is switched off.
    waker: NonNull<Waker>,
}

// SAFETY: librdkafka's queues may be used from any thread, and so may the consumer and the waker, which is `Send` and
// `Sync`, and is only read until it is freed.
unsafe impl Send for PartitionQueue {}

/// Called by the thread of librdkafka that puts something into an empty queue.
unsafe extern "C" fn wake(_: *mut sys::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: `PartitionQueue::open` passes a pointer to the waker, and `drop` switches the callback off, under the lock
    // that it is called with, before it frees the waker.
    let waker = unsafe { &*waker.cast::<Waker>() };
    waker();
}

impl PartitionQueue {
    /// Must be called before the partition is assigned: from then on its records come here, and not to the consumer's
    /// own queue.
    pub(crate) fn open(
        consumer: &Arc<KafkaConsumer>,
        partition: &TopicPartition,
        waker: Waker,
    ) -> Result<Self, BrokerError> {
        let topic = CString::new(&*partition.topic).map_err(|_| no_queue(partition))?;
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives, since `consumer` is kept, and `topic` is a C string.
        let queue = unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition.partition) };
        let queue = NonNull::new(queue).ok_or_else(|| no_queue(partition))?;
        // SAFETY: the queue was just obtained. Forwarding it to null marks it as the application's, so that assigning
        // the partition does not forward it to the consumer's queue. For the callback see `wake`.
        let waker = NonNull::from(Box::leak(Box::new(waker)));
        unsafe {
            sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake), waker.as_ptr().cast());
        }
        Ok(PartitionQueue { queue, consumer: consumer.clone(), waker })
    }

    /// The consumer that the partition belongs to.
    pub(crate) fn consumer(&self) -> &Arc<KafkaConsumer> {
        &self.consumer
    }

    /// Wakes the waker.
    pub(crate) fn wake(&self) {
        // SAFETY: the waker lives until `drop`, and is only read until then.
        (unsafe { self.waker.as_ref() })();
    }

    /// Moves up to `max` messages that are here already into the empty `batch`; fewer than `max` if that was all.
    pub(crate) fn fill(&self, batch: &mut Batch, max: usize) {
        let messages = &mut batch.messages;
        debug_assert!(messages.is_empty());
        messages.reserve(max);
        // SAFETY: `spare_capacity_mut` has room for at least `max` pointers, `OwnedMessage` is a transparent pointer,
        // and librdkafka writes as many valid, owned messages as it returns, from the start on.
        unsafe {
            let room = messages.spare_capacity_mut().as_mut_ptr().cast::<*mut sys::rd_kafka_message_t>();
            let count = sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, room, max);
            messages.set_len(usize::try_from(count).unwrap_or(0));
        }
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is ours until it is destroyed here. Switching the callback off takes the queue's lock, under
        // which the callback runs: after it the waker, a leaked box, is not used any more, and is freed once. The
        // consumer is dropped after this.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            drop(Box::from_raw(self.waker.as_ptr()));
        }
    }
}

fn no_queue(partition: &TopicPartition) -> BrokerError {
    BrokerError::new(ErrorKind::Fatal, format!("{partition} has no queue: is this a topic's name?"))
}

/// Messages taken out of a queue; reused for the next ones. Must be empty when its consumer is dropped.
#[derive(Default)]
pub(crate) struct Batch {
    messages: Vec<OwnedMessage>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages, in order. What is left over when the iterator is dropped is thrown away.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = OwnedMessage> {
        self.messages.drain(..)
    }
}

/// A message of librdkafka's, destroyed when dropped.
#[repr(transparent)]
pub(crate) struct OwnedMessage(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message belongs to whoever took it out of its queue, and may be destroyed on any thread.
unsafe impl Send for OwnedMessage {}

/// What a message says.
pub(crate) enum Item<'a> {
    Record(Message<'a>),
    /// The end of the partition, at this offset.
    End(i64),
    /// An error of this partition, in librdkafka's words.
    Failed(RDKafkaErrorCode, String),
}

impl OwnedMessage {
    pub(crate) fn item(&self) -> Item<'_> {
        // SAFETY: the message is valid until it is dropped, and nobody else has it. Its key and value are null or point
        // to as many bytes as it says, which live as long. For an error the value is its text.
        unsafe {
            let message = self.0.as_ref();
            let value = bytes(message.payload, message.len);
            match message.err {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Item::Record(Message {
                    offset: message.offset,
                    timestamp: sys::rd_kafka_message_timestamp(message, ptr::null_mut()),
                    key: bytes(message.key, message.key_len),
                    value,
                    headers: headers(message),
                }),
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Item::End(message.offset),
                error => Item::Failed(error.into(), String::from_utf8_lossy(value.unwrap_or_default()).into_owned()),
            }
        }
    }
}

impl Drop for OwnedMessage {
    fn drop(&mut self) {
        // SAFETY: the message is owned, and not used after this.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// SAFETY: `start` is null or points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), len) })
}

/// SAFETY: `message` is a valid message without an error.
unsafe fn headers(message: &sys::rd_kafka_message_t) -> Headers {
    let mut native = ptr::null_mut();
    // SAFETY: the headers stay the message's, and live as long; name and value are valid until then.
    unsafe {
        let code = sys::rd_kafka_message_headers(message, &mut native);
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || native.is_null() {
            return Headers::default();
        }
        let mut headers = Headers::default();
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            let code = sys::rd_kafka_header_get_all(native, index, &mut name, &mut value, &mut size);
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                break;
            }
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            headers.push(name, bytes(value, size).map(<[u8]>::to_vec));
        }
        headers
    }
}
