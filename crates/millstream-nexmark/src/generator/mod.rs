//! Nexmark's event generator, as that of the Flink suite (`com.github.nexmark.flink.generator`) in its distributions.
//!
//! An event is made from its number and a seed alone, so any part of a run can be made anywhere, and again. What differs from the
//! Java generator:
//!
//! - that one draws from one stream of random numbers without a seed; here each number has its own, so single values differ while
//!   their distributions do not;
//! - the part of `extra` that is drawn by `nextExactString` is of the letters `a` to `z` alone; in Java a random number below zero
//!   also yields characters before `a`;
//! - there is one generator, one rate, and no extended bids; the ratios are the defaults.
//!
//! As in Java a bid's bidder has the first person's id added twice, so that bidders are 1000 above people: no query here joins
//! them.
//!
//! The crate `nexmark` was not taken: it writes names, cities and states in lower case (queries ask for `OR`), gives names and
//! descriptions their full length always, takes times from 32-bit floats, rounded, and leaves out the second addition; it needs
//! a second version of `rand`, and had its last release in 2023.

mod entities;
mod random;
mod texts;

use std::time::Duration;

use millstream::record::Timestamp;

use crate::model::Event;
use random::Random;
use texts::Channels;

/// Of so many events the first is a person, the next three are auctions, and the others bids.
const PROPORTIONS: u64 = 50;
const PEOPLE: u64 = 1;
const AUCTIONS: u64 = 3;

/// How many auctions are open at once, on average.
const IN_FLIGHT_AUCTIONS: u64 = 100;

/// What a generator makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Events with another seed are others, alike in distribution.
    pub seed: u64,
    /// The time of the first event, in ms.
    pub base_time: Timestamp,
    /// How many events there are in a second of event time.
    pub rate: u64,
    /// Events come shuffled within groups of so many; 1: in order. No multiple of 953.
    pub out_of_order_group: u64,
}

impl Default for Settings {
    /// 10,000 events a second in order, from 2026-01-01 23:58:20 UTC on: 100 s before the end of a day, for queries about days.
    fn default() -> Self {
        Settings { seed: 1, base_time: 1_767_311_900_000, rate: 10_000, out_of_order_group: 1 }
    }
}

impl Settings {
    /// How long an auction may last at most, and so how far a bid can be from its auction: twice the time in which as many
    /// auctions come as are open at once.
    pub fn longest_auction(&self) -> Duration {
        Duration::from_millis(2 * self.horizon_ms().max(1) + 1)
    }

    /// How much older than an event before it one can be.
    pub fn disorder(&self) -> Duration {
        Duration::from_millis((self.out_of_order_group * 1000).div_ceil(self.rate))
    }

    fn horizon_ms(&self) -> u64 {
        (IN_FLIGHT_AUCTIONS * PROPORTIONS / AUCTIONS * 1000).div_ceil(self.rate)
    }
}

/// Makes events.
pub struct Generator {
    settings: Settings,
    channels: Channels,
}

impl Generator {
    /// A generator of these events.
    pub fn new(settings: Settings) -> Self {
        let channels = Channels::new(settings.seed);
        Generator { settings, channels }
    }

    /// The event that comes at this place, from 0 on.
    pub fn event(&self, place: u64) -> Event {
        let group = self.settings.out_of_order_group.max(1);
        self.numbered(place / group * group + place * 953 % group)
    }

    /// The event of that number, in the order of time.
    fn numbered(&self, number: u64) -> Event {
        let mut random = Random::new(self.settings.seed, number);
        let time = self.time(number);
        match number % PROPORTIONS {
            n if n < PEOPLE => Event::Person(entities::person(number, time, &mut random)),
            n if n < PEOPLE + AUCTIONS => {
                let ahead = self.time(number + IN_FLIGHT_AUCTIONS * PROPORTIONS / AUCTIONS);
                let horizon = u64::try_from(ahead - time).unwrap_or(0);
                Event::Auction(entities::auction(number, time, horizon, &mut random))
            }
            _ => Event::Bid(entities::bid(number, time, &self.channels, &mut random)),
        }
    }

    fn time(&self, number: u64) -> Timestamp {
        self.settings.base_time + (u128::from(number) * 1000 / u128::from(self.settings.rate.max(1))) as Timestamp
    }
}

#[cfg(test)]
mod tests;
