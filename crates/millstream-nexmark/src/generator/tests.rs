use std::collections::{HashMap, HashSet};

use super::{Generator, Settings};
use crate::model::{Auction, Bid, Event, Person};

const EVENTS: u64 = 200_000;

fn all(settings: Settings) -> (Vec<Person>, Vec<Auction>, Vec<Bid>) {
    let generator = Generator::new(settings);
    let (mut people, mut auctions, mut bids) = (Vec::new(), Vec::new(), Vec::new());
    for place in 0..EVENTS {
        match generator.event(place) {
            Event::Person(person) => people.push(person),
            Event::Auction(auction) => auctions.push(auction),
            Event::Bid(bid) => bids.push(bid),
        }
    }
    (people, auctions, bids)
}

/// Whether a share of `count` is as expected, within five standard deviations.
fn is_about(share: f64, expected: f64, count: usize) -> bool {
    (share - expected).abs() < 5.0 * (expected * (1.0 - expected) / count as f64).sqrt()
}

fn share<T>(items: &[T], predicate: impl Fn(&T) -> bool) -> f64 {
    items.iter().filter(|item| predicate(item)).count() as f64 / items.len() as f64
}

#[test]
fn proportions_ids_and_times_are_those_of_nexmark() {
    let settings = Settings::default();
    let (people, auctions, bids) = all(settings.clone());
    assert_eq!([people.len(), auctions.len(), bids.len()], [4_000, 12_000, 184_000]);
    assert!(people.iter().zip(1000..).all(|(person, id)| person.id == id));
    assert!(auctions.iter().zip(1000..).all(|(auction, id)| auction.id == id));
    assert!(bids.is_sorted_by_key(|bid| bid.date_time));
    assert_eq!(bids[0].date_time, settings.base_time);
    // The last event is the 200,000th of 10,000 a second.
    assert_eq!(bids[bids.len() - 1].date_time, settings.base_time + 19_999);
}

#[test]
fn sizes_are_those_of_nexmark() {
    let (people, auctions, bids) = all(Settings::default());
    let average = |sizes: Vec<usize>| sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    let person =
        |p: &Person| 8 + p.name.len() + p.email_address.len() + p.credit_card.len() + p.city.len() + 2 + p.extra.len();
    let auction = |a: &Auction| 48 + a.item_name.len() + a.description.len() + a.extra.len();
    assert!((198.0..202.0).contains(&average(people.iter().map(person).collect())));
    assert!((495.0..505.0).contains(&average(auctions.iter().map(auction).collect())));
    assert!((98.0..101.0).contains(&average(bids.iter().map(|bid| 32 + bid.extra.len()).collect())));
    assert!(bids.iter().all(|bid| (54..82).contains(&bid.extra.len())));
}

#[test]
fn auctions_are_as_those_of_nexmark() {
    let settings = Settings::default();
    let (_, auctions, _) = all(settings.clone());
    for category in 10..15 {
        assert!(is_about(share(&auctions, |a| a.category == category), 0.2, auctions.len()), "{category}");
    }
    // Of 4,000 people each 100th is hot; the others who sell are any of them.
    let hot = share(&auctions, |a| (a.seller - 1000) % 100 == 0);
    assert!(is_about(hot, 0.75 + 0.25 * 0.01, auctions.len()), "{hot}");
    let length = |a: &Auction| u128::try_from(a.expires - a.date_time).unwrap();
    assert!(auctions.iter().all(|a| (1..=settings.longest_auction().as_millis()).contains(&length(a))));
    let average = auctions.iter().map(length).sum::<u128>() as f64 / auctions.len() as f64;
    // 100 auctions come in 167 ms.
    assert!((160.0..174.0).contains(&average), "{average}");
    assert!(auctions.iter().all(|a| a.initial_bid >= 100 && a.reserve > a.initial_bid));
}

#[test]
fn bids_are_as_those_of_nexmark() {
    let (_, auctions, bids) = all(Settings::default());
    let last = auctions[auctions.len() - 1].id;
    assert!(bids.iter().all(|bid| (1000..=last + 10).contains(&bid.auction)));
    // The first of a block of 100 is hot; of the others, drawn from about 111, one is.
    let hot = share(&bids, |bid| (bid.auction - 1000) % 100 == 0);
    assert!(is_about(hot, 0.5 + 0.5 * 0.01, bids.len()), "{hot}");
    let hot = share(&bids, |bid| (bid.bidder - 2000) % 100 == 1);
    assert!(is_about(hot, 0.75 + 0.25 * 0.01, bids.len()), "{hot}");
    // The price is 100 * 10^U, U from 0 to 6: a sixth for each power of ten.
    for power in 2..8 {
        let (from, to) = (10_i64.pow(power), 10_i64.pow(power + 1));
        let one = share(&bids, |bid| (from..to).contains(&bid.price));
        assert!(is_about(one, 1.0 / 6.0, bids.len()), "{power}: {one}");
    }
    let hot: HashMap<&str, &str> =
        bids.iter().filter(|b| !b.channel.starts_with("channel-")).map(|b| (&*b.channel, &*b.url)).collect();
    assert_eq!(hot.len(), 4);
    assert!(is_about(share(&bids, |bid| hot.contains_key(&*bid.channel)), 0.5, bids.len()));
    let cold: HashSet<(&str, &str)> =
        bids.iter().filter(|b| b.channel.starts_with("channel-")).map(|b| (&*b.channel, &*b.url)).collect();
    // 92,000 drawn from 10,000 leave one out with a probability of 10,000 * e^-9.2: about one.
    assert!((9_990..=10_000).contains(&cold.len()), "{}", cold.len());
    let cold: Vec<_> = cold.into_iter().collect();
    assert!(is_about(share(&cold, |(_, url)| url.contains("&channel_id=")), 0.9, cold.len()));
    assert!(bids.iter().all(|bid| bid.url.split('/').count() == 7), "{}", bids[0].url);
}

#[test]
fn an_event_is_decided_by_seed_and_number_and_groups_are_shuffled() {
    let one = |settings: &Settings| {
        let generator = Generator::new(settings.clone());
        (0..3_000).map(|place| generator.event(place)).collect::<Vec<_>>()
    };
    let settings = Settings::default();
    let ordered = one(&settings);
    assert_eq!(ordered, one(&settings));
    assert_ne!(ordered, one(&Settings { seed: 2, ..settings.clone() }));
    let shuffled = one(&Settings { out_of_order_group: 300, ..settings });
    assert_ne!(ordered, shuffled);
    for (ordered, shuffled) in ordered.chunks(300).zip(shuffled.chunks(300)) {
        assert!(ordered.iter().all(|event| shuffled.contains(event)));
    }
}
