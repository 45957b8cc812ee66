use millstream::record::Timestamp;

use super::random::Random;
use super::texts::{Channels, filling, price, text};
use super::{AUCTIONS, IN_FLIGHT_AUCTIONS, PEOPLE, PROPORTIONS};
use crate::model::{Auction, Bid, Person};

const FIRST_AUCTION: i64 = 1000;
const FIRST_PERSON: i64 = 1000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;

/// Bids and auctions may name so many people or auctions that are still to come.
const LEAD: u64 = 10;
const ACTIVE_PEOPLE: u64 = 1000;
/// One in so many auctions is hot, as is one person.
const HOT_BLOCK: u64 = 100;

const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];

/// How many bytes events have on average, by Nexmark's way of counting.
const PERSON_BYTES: usize = 200;
const AUCTION_BYTES: usize = 500;
const BID_BYTES: usize = 100;

pub(super) fn person(number: u64, date_time: Timestamp, random: &mut Random) -> Person {
    let name = format!("{} {}", random.one_of(&FIRST_NAMES), random.one_of(&LAST_NAMES));
    let email_address = format!("{}@{}.com", text(random, 7, ' '), text(random, 5, ' '));
    let [a, b, c, d] = std::array::from_fn(|_| random.below(10_000));
    let credit_card = format!("{a:04} {b:04} {c:04} {d:04}");
    let (city, state) = ((*random.one_of(&CITIES)).to_owned(), (*random.one_of(&STATES)).to_owned());
    let size = 8 + name.len() + email_address.len() + credit_card.len() + city.len() + state.len();
    let extra = filling(random, size, PERSON_BYTES);
    let id = FIRST_PERSON + last_person(number) as i64;
    Person { id, name, email_address, credit_card, city, state, date_time, extra }
}

/// An auction that lasts for `horizon` ms on average.
pub(super) fn auction(number: u64, date_time: Timestamp, horizon: u64, random: &mut Random) -> Auction {
    let hot = random.below(4) > 0;
    let seller = if hot { last_person(number) / HOT_BLOCK * HOT_BLOCK } else { some_person(number, random) };
    let category = FIRST_CATEGORY + random.below(CATEGORIES) as i64;
    let initial_bid = price(random);
    let expires = date_time + 1 + random.below((2 * horizon).max(1)) as Timestamp;
    let (item_name, description) = (text(random, 20, ' '), text(random, 100, ' '));
    let reserve = initial_bid + price(random);
    let extra = filling(random, 8 + item_name.len() + description.len() + 5 * 8, AUCTION_BYTES);
    let (id, seller) = (FIRST_AUCTION + last_auction(number) as i64, FIRST_PERSON + seller as i64);
    Auction { id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra }
}

pub(super) fn bid(number: u64, date_time: Timestamp, channels: &Channels, random: &mut Random) -> Bid {
    let last = last_auction(number);
    let auction = if random.below(2) > 0 {
        last / HOT_BLOCK * HOT_BLOCK
    } else {
        let first = last.saturating_sub(IN_FLIGHT_AUCTIONS);
        first + random.below(last - first + 1 + LEAD)
    };
    let hot = random.below(4) > 0;
    // The second of a block: not the hot seller.
    let bidder = if hot { last_person(number) / HOT_BLOCK * HOT_BLOCK + 1 } else { some_person(number, random) };
    let price = price(random);
    let (channel, url) = channels.draw(random);
    let extra = filling(random, 4 * 8, BID_BYTES);
    let auction = FIRST_AUCTION + auction as i64;
    // Twice, as in Java.
    let bidder = 2 * FIRST_PERSON + bidder as i64;
    Bid { auction, bidder, price, channel, url, date_time, extra }
}

/// Which person, from 0 on, is the last one at that event: each 50 events begin with one.
fn last_person(number: u64) -> u64 {
    number / PROPORTIONS
}

/// Which auction, from 0 on, is the last one at that event, which is an auction or a bid.
fn last_auction(number: u64) -> u64 {
    number / PROPORTIONS * AUCTIONS + (number % PROPORTIONS - PEOPLE).min(AUCTIONS - 1)
}

/// One of the active people, or of those who are still to come.
fn some_person(number: u64, random: &mut Random) -> u64 {
    let people = last_person(number) + 1;
    let active = people.min(ACTIVE_PEOPLE);
    people - active + random.below(active + LEAD)
}
