use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::broker::Broker;
use millstream_memory::{ClientSettings, MemoryBroker};

use crate::error::Error;
use crate::run::now_ms;

/// How often the embedded broker is told the time.
const TICK: Duration = Duration::from_millis(100);

/// A broker in this process's memory, with a thread for its clock; gone when dropped.
pub(crate) struct Embedded {
    pub(crate) broker: Arc<dyn Broker>,
    is_over: Arc<AtomicBool>,
}

impl Embedded {
    pub(crate) fn start(application_id: &str) -> Result<Self, Error> {
        let cluster = MemoryBroker::new();
        cluster.advance_to(now_ms());
        let broker = cluster.client(ClientSettings::new(application_id));
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let clock = std::thread::Builder::new().name("embedded-clock".to_owned()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                cluster.advance_to(now_ms());
            }
        });
        clock.map_err(|error| Error::system("a thread for the embedded broker's clock", &error))?;
        Ok(Embedded { broker, is_over })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
