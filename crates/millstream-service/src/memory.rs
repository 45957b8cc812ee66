//! The limit of memory: the process slows down as it comes near, and ends in order with a message where the kernel would
//! end it without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millstream::state::StoreSize;
use millstream::worker::Intake;

use crate::error::Error;
use crate::health::Health;
use crate::stop::Stop;

/// How often memory is looked at.
const LOOKED_EVERY: Duration = Duration::from_millis(50);
/// From how many per cent of the limit on workers read more slowly, and not at all.
const SLOW_FROM: u64 = 85;
const NONE_FROM: u64 = 95;
/// How many stores a message names.
const NAMED: usize = 5;

/// The bytes that a text says: `512MiB`, `2GB`, `1000000`.
pub(crate) fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// The limit of the settings: the container's where they say nothing, nothing for `none`.
pub(crate) fn limit(setting: Option<&str>) -> Option<u64> {
    match setting {
        Some(text) => bytes_of(text),
        None => ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
            .iter()
            .find_map(|path| of_container(&std::fs::read_to_string(path).ok()?)),
    }
}

/// A container's limit. Version 1 says a number as large as can be where there is none, version 2 `max`.
fn of_container(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

/// The process' memory that is in use: resident bytes.
pub(crate) fn resident() -> Option<u64> {
    // Beside it /proc/self/statm has pages, whose size is still to be asked for.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn intake(resident: u64, limit: u64) -> Intake {
    match u128::from(resident) * 100 / u128::from(limit.max(1)) {
        percent if percent >= NONE_FROM.into() => Intake::None,
        percent if percent >= SLOW_FROM.into() => Intake::Slow,
        _ => Intake::Full,
    }
}

/// Looks at the process' memory; ends when dropped.
pub(crate) struct MemoryWatch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
    ended: std::sync::mpsc::Sender<()>,
    failure: Arc<Mutex<Option<String>>>,
}

impl MemoryWatch {
    /// `grace` is how long nothing is read before the process ends.
    pub(crate) fn start(limit: u64, grace: Duration, health: Arc<Health>, stop: Arc<Stop>) -> Result<Self, Error> {
        let (ended, is_over) = std::sync::mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let mut watched = Watched { limit, grace, health, level: Intake::Full, full_since: None };
        let (stopping, failed) = (stop.clone(), failure.clone());
        let thread = std::thread::Builder::new().name("memory".to_owned());
        let thread = thread.spawn(move || {
            while is_over.recv_timeout(LOOKED_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                if let Some(message) = resident().and_then(|resident| watched.look(resident, Instant::now())) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
                    stopping.request();
                }
            }
        });
        let thread = Some(thread.map_err(|error| Error::system("a thread for the limit of memory", &error))?);
        Ok(MemoryWatch { stop, thread, ended, failure })
    }

    /// Why the process was ended, if it was.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|_| self.stop.is_requested())
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        let _ = self.ended.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watched {
    limit: u64,
    grace: Duration,
    health: Arc<Health>,
    level: Intake,
    /// Since when nothing is read.
    full_since: Option<Instant>,
}

impl Watched {
    /// Has workers read as memory is; a message once the process is to end.
    fn look(&mut self, resident: u64, now: Instant) -> Option<String> {
        let level = intake(resident, self.limit);
        for worker in self.health.workers() {
            worker.set_intake(level);
        }
        if level != self.level {
            self.level = level;
            self.tell(resident);
        }
        if level != Intake::None {
            self.full_since = None;
            return None;
        }
        let since = *self.full_since.get_or_insert(now);
        let stays = now.duration_since(since) >= self.grace;
        stays.then(|| format!("{}. It stayed there for {} ms: ending", self.describe(resident), self.grace.as_millis()))
    }

    fn tell(&self, resident: u64) {
        match self.level {
            Intake::Full => {
                self.health.set_no_intake(None);
                tracing::info!("memory: {} of {}: reading as fast as can be", mib(resident), mib(self.limit));
            }
            Intake::Slow => {
                self.health.set_no_intake(None);
                let (resident, limit) = (mib(resident), mib(self.limit));
                tracing::warn!("memory: {resident} of {limit}, {SLOW_FROM} % or more: reading slowly");
            }
            Intake::None => {
                let message = self.describe(resident);
                tracing::error!("{message}");
                self.health.set_no_intake(Some(message));
            }
        }
    }

    /// What takes the memory, and what to do.
    fn describe(&self, resident: u64) -> String {
        let mut stores: BTreeMap<Arc<str>, StoreSize> = BTreeMap::new();
        for (name, size) in self.health.workers().iter().flat_map(|worker| worker.stores()) {
            *stores.entry(name).or_default() += size;
        }
        let mut stores: Vec<_> = stores.into_iter().collect();
        stores.sort_by_key(|(_, size)| std::cmp::Reverse(size.bytes));
        let stores: Vec<_> = stores.iter().take(NAMED).map(|(name, size)| of_store(name, *size)).collect();
        format!(
            "memory: {} of {}, {NONE_FROM} % or more, so nothing is read any more. The largest stores: {}. Give the process more \
             memory (memory_limit, or its container's limit), run more instances, or let rows live for a shorter time; nothing is \
             lost",
            mib(resident),
            mib(self.limit),
            if stores.is_empty() { "none".to_owned() } else { stores.join(", ") }
        )
    }
}

fn of_store(name: &str, size: StoreSize) -> String {
    format!("{name} {} ({} rows)", mib(size.bytes), size.rows)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("2 GiB", 2 << 30), ("1000000", 1_000_000), ("3MB", 3_000_000), ("7B", 7)]
        {
            assert_eq!(bytes_of(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "0", "1.5GiB", "5 apples", "-1", "99999999999GiB"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
        assert_eq!(limit(Some("none")), None);
        assert_eq!((of_container("max\n"), of_container("9223372036854771712\n")), (None, None));
        assert_eq!(of_container("536870912\n"), Some(512 << 20));
        assert!(resident().unwrap() > 1 << 20);
    }

    #[test]
    fn levels_follow_memory_and_only_what_stays_full_ends() {
        let health = Arc::new(Health::new(Arc::default(), 30_000));
        health.set_workers(vec![Arc::default()]);
        let grace = Duration::from_secs(10);
        let mut watched =
            Watched { limit: 1000 << 20, grace, health: health.clone(), level: Intake::Full, full_since: None };
        let start = Instant::now();
        let mut look = |mib: u64, seconds: u64| watched.look(mib << 20, start + Duration::from_secs(seconds));
        let level = || health.workers()[0].intake();
        assert_eq!((look(849, 0), level()), (None, Intake::Full));
        assert_eq!((look(850, 1), level()), (None, Intake::Slow));
        assert!(health.ready().is_ok());
        assert_eq!((look(950, 2), level()), (None, Intake::None));
        assert!(health.ready().unwrap_err().contains("950 MiB of 1000 MiB"));
        assert_eq!((look(940, 11), level()), (None, Intake::Slow));
        assert!(health.ready().is_ok());
        assert_eq!((look(990, 12), level()), (None, Intake::None));
        assert_eq!(look(990, 21), None);
        assert!(look(990, 22).unwrap().contains("The largest stores: none"));
        assert_eq!((look(100, 23), level()), (None, Intake::Full));
    }
}
