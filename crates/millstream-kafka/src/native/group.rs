use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka_sys::bindings as sys;

use super::milliseconds;
use crate::context::KafkaConsumer;

/// Who a member is in its group: its id, and the generation (or epoch) that it knows.
pub(crate) struct GroupMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: the metadata are a copy that belongs to nobody's thread, and nothing changes them after they are made.
unsafe impl Send for GroupMetadata {}
// SAFETY: as above.
unsafe impl Sync for GroupMetadata {}

impl GroupMetadata {
    /// What `consumer` is just now; `None` if it has no group.
    pub(crate) fn of(consumer: &KafkaConsumer) -> Option<Self> {
        // SAFETY: the client lives while it is borrowed; the metadata are ours, or null.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) }).map(Self)
    }

    /// Whether this is a member: librdkafka blanks the id and the generation of one that was thrown out, each at its own
    /// time. With both blank, a broker takes positions from anyone (classic protocol).
    pub(crate) fn is_of_a_member(&self) -> bool {
        // SAFETY: the metadata live until `self` is dropped, and so does the C string in them.
        unsafe {
            let id = sys::rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr());
            let generation = sys::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr());
            generation > 0 && !id.is_null() && !CStr::from_ptr(id).is_empty()
        }
    }

    /// The member's id; empty if it has none.
    pub(super) fn member_id(&self) -> String {
        // SAFETY: the metadata live until `self` is dropped, and so does the C string in them.
        unsafe {
            let id = sys::rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr());
            if id.is_null() { String::new() } else { CStr::from_ptr(id).to_string_lossy().into_owned() }
        }
    }

    pub(super) fn as_ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: the metadata are ours, and not used after this.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// Commits positions for the member, without a transaction, and waits up to `limit` for the broker's answer. If it does
/// not come, the positions may be committed even so, or later. rust-rdkafka's call has no limit.
pub(crate) fn commit_positions(
    consumer: &KafkaConsumer,
    positions: &TopicPartitionList,
    limit: Duration,
) -> Result<(), Code> {
    let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let deadline = Instant::now() + limit;
    // SAFETY: client and list live while they are borrowed; the list is copied before `commit_queue` returns. The queue
    // is ours and is destroyed once, after its last use; an answer that comes later finds it disabled, since the request
    // keeps a reference to it. An event is ours, and is destroyed once. No callback is given.
    unsafe {
        let client = consumer.client().native_ptr();
        let queue = sys::rd_kafka_queue_new(client);
        let mut code = sys::rd_kafka_commit_queue(client, positions.ptr(), queue, None, ptr::null_mut());
        if code == none {
            code = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                let event = sys::rd_kafka_queue_poll(queue, milliseconds(left));
                if event.is_null() {
                    if left.is_zero() {
                        break;
                    }
                    continue;
                }
                let is_answer = sys::rd_kafka_event_type(event) == sys::RD_KAFKA_EVENT_OFFSET_COMMIT;
                let answer = sys::rd_kafka_event_error(event);
                sys::rd_kafka_event_destroy(event);
                if is_answer {
                    code = answer;
                    break;
                }
            }
        }
        sys::rd_kafka_queue_destroy(queue);
        if code == none { Ok(()) } else { Err(code.into()) }
    }
}
