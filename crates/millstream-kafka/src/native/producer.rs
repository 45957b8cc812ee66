use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{BrokerError, ErrorKind, Outgoing};
use millstream::record::Headers;
use rdkafka::TopicPartitionList;
use rdkafka::producer::{BaseProducer, PARTITION_UA, Producer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka_sys::bindings as sys;

use super::{Events, GroupMetadata, milliseconds};
use crate::context::DeliveryReports;

/// A producer with a handle for each topic, so that a record is written without looking its topic up.
///
/// A thread serves the delivery reports: the waiting calls here count on it.
pub(crate) struct NativeProducer {
    /// Destroyed before the producer, in `drop`.
    topics: Vec<NonNull<sys::rd_kafka_topic_t>>,
    /// Ends before the producer is dropped, too.
    _events: Events,
    producer: Arc<BaseProducer<DeliveryReports>>,
}

// SAFETY: librdkafka's topic handles may be used from any thread; the producer is Send by itself.
unsafe impl Send for NativeProducer {}

impl NativeProducer {
    pub(crate) fn new(producer: BaseProducer<DeliveryReports>) -> Result<Self, BrokerError> {
        let producer = Arc::new(producer);
        let no_thread = || BrokerError::new(ErrorKind::Retry, "there is no thread to be had for a producer");
        let events = Events::serve(&producer).ok_or_else(no_thread)?;
        Ok(NativeProducer { topics: Vec::new(), _events: events, producer })
    }

    /// rust-rdkafka's producer, for the calls that are good as they are.
    pub(crate) fn safe(&self) -> &BaseProducer<DeliveryReports> {
        &self.producer
    }

    fn client(&self) -> *mut sys::rd_kafka_t {
        self.producer.client().native_ptr()
    }

    /// Adds a handle; the first has index 0.
    pub(crate) fn add_topic(&mut self, name: &str) -> Result<(), BrokerError> {
        let bad_name = || BrokerError::new(ErrorKind::Fatal, format!("{name:?} is not a topic's name"));
        let c_name = CString::new(name).map_err(|_| bad_name())?;
        // SAFETY: the client lives, `c_name` is a C string, and a null configuration means the producer's own.
        let topic = unsafe { sys::rd_kafka_topic_new(self.client(), c_name.as_ptr(), ptr::null_mut()) };
        self.topics.push(NonNull::new(topic).ok_or_else(bad_name)?);
        Ok(())
    }

    /// Copies one record into the producer's queue. `timestamp` must not be 0, which librdkafka takes for "now".
    pub(crate) fn produce(&self, topic: usize, record: &Outgoing<'_>, timestamp: i64) -> Result<(), Code> {
        let headers = match record.headers.is_empty() {
            true => ptr::null_mut(),
            false => native_headers(record.headers)?,
        };
        let (key, key_len) = raw(record.key);
        let (value, value_len) = raw(record.value);
        // SAFETY: each tag is followed by arguments of the types that it demands, and END comes last. The topic's handle
        // belongs to this client; key and value are read before the call returns (F_COPY); null headers mean none.
        let code = unsafe {
            sys::rd_kafka_producev(
                self.client(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.topics[topic].as_ptr(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION,
                record.partition.unwrap_or(PARTITION_UA),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                headers,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        if !headers.is_null() {
            // SAFETY: the headers become the record's only if it is taken.
            unsafe { sys::rd_kafka_headers_destroy(headers) };
        }
        Err(code.into())
    }

    /// Waits until every record is delivered or has failed; false if that takes longer than `limit`. Unlike
    /// rust-rdkafka's, it returns as soon as that is so.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        // SAFETY: the client lives.
        let code = unsafe { sys::rd_kafka_flush(self.client(), milliseconds(limit)) };
        code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Fences earlier producers of the transactional id, and waits until their transactions are ended.
    pub(crate) fn init_transactions(&self, limit: Duration) -> Result<(), TransactionFailure> {
        // SAFETY: the client lives.
        TransactionFailure::check(unsafe { sys::rd_kafka_init_transactions(self.client(), milliseconds(limit)) })
    }

    /// Begins a transaction; does not wait.
    pub(crate) fn begin_transaction(&self) -> Result<(), TransactionFailure> {
        // SAFETY: the client lives.
        TransactionFailure::check(unsafe { sys::rd_kafka_begin_transaction(self.client()) })
    }

    /// Adds positions of a group to the transaction, for this member of it.
    pub(crate) fn send_offsets(
        &self,
        positions: &TopicPartitionList,
        member: &GroupMetadata,
        limit: Duration,
    ) -> Result<(), TransactionFailure> {
        // SAFETY: client, list and metadata live while they are borrowed; librdkafka copies the latter two.
        TransactionFailure::check(unsafe {
            sys::rd_kafka_send_offsets_to_transaction(
                self.client(),
                positions.ptr(),
                member.as_ptr(),
                milliseconds(limit),
            )
        })
    }

    /// Commits the transaction. rust-rdkafka's call waits 100 ms first whenever anything is under way.
    pub(crate) fn commit_transaction(&self, limit: Duration) -> Result<(), TransactionFailure> {
        // SAFETY: the client lives.
        TransactionFailure::check(unsafe { sys::rd_kafka_commit_transaction(self.client(), milliseconds(limit)) })
    }

    /// Aborts the transaction, and throws away what is still queued.
    pub(crate) fn abort_transaction(&self, limit: Duration) -> Result<(), TransactionFailure> {
        // SAFETY: the client lives.
        TransactionFailure::check(unsafe { sys::rd_kafka_abort_transaction(self.client(), milliseconds(limit)) })
    }
}

impl Drop for NativeProducer {
    fn drop(&mut self) {
        for topic in self.topics.drain(..) {
            // SAFETY: the handle is ours, is not used after this, and the producer still lives.
            unsafe { sys::rd_kafka_topic_destroy(topic.as_ptr()) };
        }
    }
}

/// librdkafka tells null from empty by the pointer; an empty slice's pointer is never null.
fn raw(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    match bytes {
        Some(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len()),
        None => (ptr::null_mut(), 0),
    }
}

fn native_headers(headers: &Headers) -> Result<*mut sys::rd_kafka_headers_t, Code> {
    // SAFETY: the list is new and ours. Name and value are copied before the call returns; a null value means none.
    unsafe {
        let native = sys::rd_kafka_headers_new(headers.len());
        for (name, value) in headers.iter() {
            let (value, value_len) = raw(value.as_deref());
            let code =
                sys::rd_kafka_header_add(native, name.as_ptr().cast(), name.len() as isize, value, value_len as isize);
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                sys::rd_kafka_headers_destroy(native);
                return Err(code.into());
            }
        }
        Ok(native)
    }
}

/// Why a transactional call failed, and what librdkafka says can be done.
#[derive(Debug)]
pub(crate) struct TransactionFailure {
    pub(crate) code: Code,
    pub(crate) text: String,
    pub(crate) fatal: bool,
    pub(crate) retriable: bool,
    pub(crate) requires_abort: bool,
}

impl TransactionFailure {
    fn check(error: *mut sys::rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a non-null error is ours, is valid until it is destroyed, and is destroyed once, here.
        unsafe {
            let failure = TransactionFailure {
                code: sys::rd_kafka_error_code(error).into(),
                text: CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned(),
                fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
                requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
            };
            sys::rd_kafka_error_destroy(error);
            Err(failure)
        }
    }
}
