use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};
use rdkafka_sys::bindings as sys;

use crate::context::DeliveryReports;

/// A thread that nobody wakes looks for events so often even so.
const LOOK: Duration = Duration::from_secs(1);

/// Serves what a producer has to tell, failed deliveries, errors and log lines, on a thread of its own, until it is dropped.
///
/// rust-rdkafka's own thread spins for up to a millisecond of each tenth of a second: it waits for whole milliseconds, and for what
/// is left then by asking again and again. That was half of what an idle instance cost. This one sleeps until librdkafka wakes it.
pub(crate) struct Events {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Ours; shared with librdkafka, which calls it, until the callback is switched off.
    waker: NonNull<Thread>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// SAFETY: librdkafka's queues may be used from any thread; the waker is `Send` and `Sync`, and is only read until it is freed.
unsafe impl Send for Events {}

/// A producer's main queue, for its thread. The owner destroys it after that has ended.
struct MainQueue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for MainQueue {}

impl MainQueue {
    fn is_empty(&self) -> bool {
        // SAFETY: the queue lives until the thread that asks has ended.
        unsafe { sys::rd_kafka_queue_length(self.0.as_ptr()) == 0 }
    }
}

/// Called by the thread of librdkafka that puts something into the empty queue.
unsafe extern "C" fn wake(_: *mut sys::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: `Events::serve` passes a pointer to the handle, and `drop` switches the callback off, under the lock that it is
    // called with, before it frees the handle.
    let thread = unsafe { &*thread.cast::<Thread>() };
    thread.unpark();
}

impl Events {
    /// Begins to serve them. `None` if there is no thread to be had.
    pub(crate) fn serve(producer: &Arc<BaseProducer<DeliveryReports>>) -> Option<Self> {
        // SAFETY: the client lives, as the producer does.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) })?;
        let stop = Arc::new(AtomicBool::new(false));
        let (main, is_over, producer) = (MainQueue(queue), stop.clone(), producer.clone());
        let spawned = thread::Builder::new().name("kafka-events".to_owned()).spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                while !main.is_empty() {
                    producer.poll(Duration::ZERO);
                }
                thread::park_timeout(LOOK);
            }
        });
        let Ok(thread) = spawned else {
            // SAFETY: the queue is ours, and nobody else got it.
            unsafe { sys::rd_kafka_queue_destroy(queue.as_ptr()) };
            return None;
        };
        let waker = NonNull::from(Box::leak(Box::new(thread.thread().clone())));
        // SAFETY: the queue was just obtained; for the callback see `wake`.
        unsafe { sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake), waker.as_ptr().cast()) };
        // What came before that woke nobody.
        thread.thread().unpark();
        Some(Events { queue, waker, stop, thread: Some(thread) })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked has ended, too.
            let _ = thread.join();
        }
        // SAFETY: the queue is ours until it is destroyed here, and the thread that used it has ended. Switching the callback off
        // takes the queue's lock, under which the callback runs: after it the waker, a leaked box, is not used any more, and is
        // freed once. The producer lives: whoever has it drops it after this.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            drop(Box::from_raw(self.waker.as_ptr()));
        }
    }
}
