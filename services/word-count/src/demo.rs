//! Input to try the service with, and its results on the screen.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::record::Record;

use crate::topology::{lines, word_counts};

const TEXT: &str = include_str!("../data/gettysburg-address.txt");
const PARTITIONS: i32 = 4;
const SHOWN: usize = 10;

/// Creates the topics that are missing, and writes the lines of `data/`.
pub(crate) fn load(broker: &dyn Broker) -> Result<(), Box<dyn Error + Send + Sync>> {
    let topics = [lines().name().to_owned(), word_counts().name().to_owned()].map(|name| NewTopic {
        name,
        partitions: PARTITIONS,
        replication_factor: None,
        cleanup_policy: CleanupPolicy::Delete,
        config: BTreeMap::new(),
    });
    broker.create(&topics)?;
    let mut writer = RecordWriter::new(broker)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    for line in TEXT.lines() {
        writer.send(&lines(), &Record::new((), Some(line.to_owned()), now))?;
    }
    Ok(writer.flush()?)
}

/// The words that came most often, as text.
pub(crate) fn table(broker: &dyn Broker) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for read in read_all(broker, &word_counts(), Duration::from_secs(60))? {
        counts.extend(read.record.value.map(|count| (read.record.key, count)));
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by_key(|(_, count)| -count);
    let lines = words.iter().take(SHOWN).map(|(word, count)| format!("{count:>4}  {word}\n"));
    Ok(lines.collect())
}
