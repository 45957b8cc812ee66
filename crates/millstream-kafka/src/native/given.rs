use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::TopicPartition;
use rdkafka::consumer::Consumer;
use rdkafka_sys::bindings as sys;

use super::{GroupMetadata, milliseconds};
use crate::context::KafkaConsumer;

/// The longest limit that librdkafka takes. If it passes while the coordinator is still looked for, librdkafka (2.12.1) uses what
/// it has freed when the coordinator is found, and ends the process by an assertion. So no limit is to pass.
const LIMIT: Duration = Duration::from_secs(3600);

/// A question to the group's coordinator: which partitions has it given to this member? The answer is looked for, and
/// never waited for.
pub(crate) struct GivenQuestion {
    queue: NonNull<sys::rd_kafka_queue_t>,
    consumer: Arc<KafkaConsumer>,
}

// SAFETY: librdkafka's queues may be used from any thread, and so may the consumer.
unsafe impl Send for GivenQuestion {}

impl GivenQuestion {
    /// Asks; the answer comes once the coordinator is there. `None` if there is no such group.
    pub(crate) fn ask(consumer: &Arc<KafkaConsumer>, group: &str) -> Option<Self> {
        let group = CString::new(group).ok()?;
        let client = consumer.client().native_ptr();
        let mut refused: [c_char; 1] = [0];
        // SAFETY: the client lives, since `consumer` is kept. The queue is ours; the options are ours, are copied by the
        // request, and are destroyed once. `refused` has the room that is told, and `groups` the one C string.
        unsafe {
            let queue = NonNull::new(sys::rd_kafka_queue_new(client))?;
            let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
            let options = sys::rd_kafka_AdminOptions_new(client, operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                milliseconds(LIMIT),
                refused.as_mut_ptr(),
                refused.len(),
            );
            let mut groups = [group.as_ptr()];
            sys::rd_kafka_DescribeConsumerGroups(client, groups.as_mut_ptr(), 1, options, queue.as_ptr());
            sys::rd_kafka_AdminOptions_destroy(options);
            Some(GivenQuestion { queue, consumer: consumer.clone() })
        }
    }

    /// The answer, if it is here. The inner `None`: it does not say, as there was an error, or as the coordinator does
    /// not know the member.
    pub(crate) fn answer(&self) -> Option<Option<HashSet<TopicPartition>>> {
        let member = GroupMetadata::of(&self.consumer).map(|metadata| metadata.member_id());
        // SAFETY: the queue is ours. The event is ours, and is destroyed after the last use of what is in it.
        unsafe {
            let event = NonNull::new(sys::rd_kafka_queue_poll(self.queue.as_ptr(), 0))?;
            let given = member.and_then(|member| given(event, &member));
            sys::rd_kafka_event_destroy(event.as_ptr());
            Some(given)
        }
    }
}

impl Drop for GivenQuestion {
    fn drop(&mut self) {
        // SAFETY: the queue is destroyed once; an answer that comes later finds it disabled, since the request keeps a
        // reference to it. The consumer is dropped after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// What the answer says that the member has.
///
/// # Safety
///
/// The event must live, and not be changed meanwhile.
unsafe fn given(event: NonNull<sys::rd_kafka_event_t>, member: &str) -> Option<HashSet<TopicPartition>> {
    // SAFETY: everything that is read belongs to the event, which lives; each pointer is looked at before it is followed,
    // each index is below its count, and ids and topics are C strings.
    unsafe {
        if sys::rd_kafka_event_error(event.as_ptr()) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.as_ptr());
        let mut count = 0;
        if result.is_null() {
            return None;
        }
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        if groups.is_null() || count == 0 {
            return None;
        }
        let group = *groups;
        let members = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        let mut described = (0..members).map(|index| sys::rd_kafka_ConsumerGroupDescription_member(group, index));
        let described = described.find(|described| {
            let id = sys::rd_kafka_MemberDescription_consumer_id(*described);
            !id.is_null() && CStr::from_ptr(id).to_bytes() == member.as_bytes()
        })?;
        let assignment = sys::rd_kafka_MemberDescription_assignment(described);
        let list = NonNull::new(sys::rd_kafka_MemberAssignment_partitions(assignment).cast_mut())?;
        let count = usize::try_from(list.as_ref().cnt).unwrap_or(0);
        let partitions = (0..count).map(|index| {
            let element = &*list.as_ref().elems.add(index);
            TopicPartition::new(&*CStr::from_ptr(element.topic).to_string_lossy(), element.partition)
        });
        Some(partitions.collect())
    }
}
