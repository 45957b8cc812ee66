//! The events: a person, an auction, a bid. Fields and their order are those of Nexmark; prices are in cents, times in ms.

use millstream::record::Timestamp;
use serde::Serialize;

use crate::binary::fields;

/// Somebody who sells and bids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names say it
pub struct Person {
    pub id: i64,
    pub name: String,
    pub email_address: String,
    pub credit_card: String,
    pub city: String,
    pub state: String,
    /// When the person came, in ms.
    pub date_time: Timestamp,
    /// Filling, up to a size.
    pub extra: String,
}

/// An item for sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names say it
pub struct Auction {
    pub id: i64,
    pub item_name: String,
    pub description: String,
    /// In cents.
    pub initial_bid: i64,
    /// In cents.
    pub reserve: i64,
    /// When it was opened, in ms.
    pub date_time: Timestamp,
    /// When it ends, in ms.
    pub expires: Timestamp,
    /// The person's id.
    pub seller: i64,
    pub category: i64,
    /// Filling, up to a size.
    pub extra: String,
}

/// A price that somebody offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names say it
pub struct Bid {
    /// The auction's id; it may be of one that is still to come.
    pub auction: i64,
    /// The person's id.
    pub bidder: i64,
    /// In cents.
    pub price: i64,
    pub channel: String,
    pub url: String,
    /// When it was made, in ms.
    pub date_time: Timestamp,
    /// Filling, up to a size.
    pub extra: String,
}

/// One of the three.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

impl Event {
    /// When it happened, in ms.
    pub fn date_time(&self) -> Timestamp {
        match self {
            Event::Person(person) => person.date_time,
            Event::Auction(auction) => auction.date_time,
            Event::Bid(bid) => bid.date_time,
        }
    }
}

fields!(Person { id, name, email_address, credit_card, city, state, date_time, extra });
fields!(Auction { id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra });
fields!(Bid { auction, bidder, price, channel, url, date_time, extra });
