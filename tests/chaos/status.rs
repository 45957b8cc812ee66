use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What a service tells about itself over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The partitions whose tasks run.
    pub(crate) running: Vec<i32>,
    /// How many tasks it has, those that are still restored included, but no standbys.
    pub(crate) tasks: usize,
    /// How many standbys it has.
    pub(crate) standbys: usize,
    /// How many records it has read from changelogs, for tasks and for standbys.
    pub(crate) restored: u64,
    /// How many rows of state it has taken from other instances.
    pub(crate) transferred: u64,
}

const LIMIT: Duration = Duration::from_millis(500);

impl Status {
    /// Asks the service at this port of the machine; `None` if it does not answer.
    pub(crate) fn ask(port: u16) -> Option<Status> {
        let ready: Value = serde_json::from_str(&get(port, "/readyz")?).ok()?;
        let metrics = get(port, "/metrics")?;
        let sum = |name: &str| -> u64 {
            let lines = metrics.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
        };
        let in_state = |state: &str| {
            let tasks = ready["tasks"].as_array().into_iter().flatten();
            let tasks = tasks.filter(move |task| task["state"] == state);
            tasks.filter_map(|task| task["task"].as_str()?.rsplit('_').next()?.parse::<i32>().ok()).collect::<Vec<_>>()
        };
        let (mut running, standbys) = (in_state("running"), in_state("standby").len());
        running.sort_unstable();
        let tasks = running.len() + in_state("restoring").len();
        let restored = sum("millstream_records_restored_total") + sum("millstream_records_standby_total");
        let transferred = sum("millstream_records_transferred_total");
        Some(Status { running, tasks, standbys, restored, transferred })
    }
}

/// The body of an answer, whatever its status.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
