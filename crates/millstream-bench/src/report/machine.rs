use std::fmt;
use std::fs;
use std::process::Command;

use millstream_local_kafka::find_java;

use super::versions;

/// What everything ran on.
pub(super) struct Machine {
    /// The processor's name.
    pub(super) processor: String,
    /// How many there are for this process.
    pub(super) processors: usize,
    pub(super) memory_mb: u64,
    /// The kernel.
    pub(super) system: String,
    /// Java's version, if there is one.
    pub(super) java: Option<String>,
}

impl Machine {
    pub(super) fn here() -> Self {
        // What cannot be read is not known; the figures are what they are.
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let system = read("/proc/sys/kernel/osrelease");
        Machine {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: memory_mb(&read("/proc/meminfo")).unwrap_or(0),
            system: format!("Linux {}", system.trim()),
            java: java(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, processors, memory_mb, system, java } = self;
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| machine | {processor}, {processors} processors, {memory_mb} MB, {system} |")?;
        if let Some(java) = java {
            writeln!(f, "| Java | {java} |")?;
        }
        let versions: Vec<String> = versions().iter().map(|(name, version)| format!("{name} {version}")).collect();
        writeln!(f, "| versions | {} |", versions.join(", "))
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_mb(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024 / 1_000_000)
}

fn java() -> Option<String> {
    let output = Command::new(find_java().ok()?).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(text.split('"').nth(1)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_and_memory_are_read_from_what_the_kernel_says() {
        let info = "processor\t: 0\nmodel name\t: Some CPU: fast\n";
        assert_eq!(field(info, "model name").unwrap(), "Some CPU: fast");
        assert_eq!(field(info, "cache"), None);
        assert_eq!(memory_mb("MemFree: 1 kB\nMemTotal:       2000000 kB\n"), Some(2048));
        assert_eq!(memory_mb("MemTotal: many\n"), None);
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let machine = Machine::here();
        assert!(machine.processors > 0 && machine.memory_mb > 100, "{machine}");
    }
}
