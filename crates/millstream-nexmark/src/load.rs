//! Writes events to their topics.

use anyhow::Result;
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::RecordWriter;
use millstream::record::Record;

use crate::model::Event;
use crate::nexmark::Nexmark;

/// Creates topics of so many partitions each, whose records stay.
///
/// # Errors
/// The broker's.
pub fn create_topics(broker: &dyn Broker, names: &[String], partitions: i32) -> Result<()> {
    let topics = names.iter().map(|name| NewTopic {
        name: name.clone(),
        partitions,
        replication_factor: None,
        cleanup_policy: CleanupPolicy::Delete,
        // Events are of any time.
        config: [("retention.ms".to_owned(), "-1".to_owned())].into(),
    });
    Ok(broker.create(&topics.collect::<Vec<_>>())?)
}

/// Writes the events, each to its key's partition, and waits until they are there.
///
/// # Errors
/// The broker's.
pub fn load(broker: &dyn Broker, nexmark: &Nexmark, events: impl IntoIterator<Item = Event>) -> Result<()> {
    let (people, auctions, bids) = (nexmark.people(), nexmark.auctions(), nexmark.bids());
    let mut writer = RecordWriter::new(broker)?;
    for event in events {
        let time = event.date_time();
        match event {
            Event::Person(person) => writer.send(&people, &Record::new(person.id, Some(person), time))?,
            Event::Auction(auction) => writer.send(&auctions, &Record::new(auction.id, Some(auction), time))?,
            Event::Bid(bid) => writer.send(&bids, &Record::new(bid.auction, Some(bid), time))?,
        }
    }
    Ok(writer.flush()?)
}
