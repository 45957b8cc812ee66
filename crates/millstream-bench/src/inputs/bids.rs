//! Bids as in the Nexmark benchmark, about 200 bytes of JSON each, or as large as is chosen.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use millstream::broker::Producer;
use millstream::record::Timestamp;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::StdRng;
use rand_distr::Zipf;

use super::load::load_all;
use crate::parameters::Sizes;

/// How many auctions, that is keys, there are.
pub(super) const AUCTIONS: u64 = 100_000;

const BIDDERS: u64 = 1_000_000;
const CHANNELS: [&str; 4] = ["Apple", "Baidu", "Facebook", "Google"];

/// 2026-01-01, the first bid's time.
pub(super) const START_MS: Timestamp = 1_767_225_600_000;
const BIDS_PER_MS: u64 = 10;

/// The exponent of Zipf's law.
const ZIPF: f64 = 1.0;

/// Any number: all loads have the same keys.
const ZIPF_SEED: u64 = 1;

/// The bids 0 to `records`, each auction being equally probable.
pub(super) fn load_uniform(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_all(producer, sizes.records, |number, key, value| write_bid(number, None, sizes.value_size, key, value))
}

/// The bids 0 to `records` with auctions as Zipf's law says.
pub(super) fn load_zipf(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    let mut random = StdRng::seed_from_u64(ZIPF_SEED);
    let ranks = Zipf::new(AUCTIONS as f64, ZIPF)?;
    load_all(producer, sizes.records, |number, key, value| {
        // Spread over the auctions' numbers, as the rank must not say the partition.
        let auction = mixed(ranks.sample(&mut random) as u64) % AUCTIONS;
        write_bid(number, Some(auction), sizes.value_size, key, value)
    })
}

/// When bid `number` is made.
pub(super) fn time_of(number: u64) -> Timestamp {
    START_MS + (number / BIDS_PER_MS) as Timestamp
}

/// Writes bid `number` into `key` and `value`, and returns its time. The key is its auction in decimal digits; without an
/// `auction` each is equally probable. The same number gives the same bid everywhere.
fn write_bid(
    number: u64,
    auction: Option<u64>,
    size: Option<usize>,
    key: &mut String,
    value: &mut Vec<u8>,
) -> Timestamp {
    let random = mixed(number);
    let auction = auction.unwrap_or(random % AUCTIONS);
    let price = 100 + (random >> 40) % 1_000_000;
    let time = time_of(number);
    // Writing into memory cannot fail.
    let _ = write!(key, "{auction}");
    if let Some(size) = size {
        let _ = write!(value, "{{\"auction\":{auction},\"price\":{price},\"extra\":\"");
        let mut extra = mixed(random);
        while value.len() + 2 < size {
            let _ = write!(value, "{extra:016x}");
            extra = mixed(extra);
        }
        value.truncate(size.saturating_sub(2));
        value.extend_from_slice(b"\"}");
        return time;
    }
    let bidder = (random >> 20) % BIDDERS;
    let channel = CHANNELS[(random >> 60) as usize % CHANNELS.len()];
    let extra = mixed(random);
    let _ = write!(
        value,
        "{{\"auction\":{auction},\"bidder\":{bidder},\"price\":{price},\"channel\":\"{channel}\",\
         \"url\":\"https://auctions.example/{channel}/item.htm?query={}\",\"dateTime\":{time},\
         \"extra\":\"{extra:016x}{:016x}\"}}",
        auction % 1000,
        mixed(extra)
    );
    time
}

/// A bijection that mixes all bits: the last steps of SplitMix64.
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::inputs::load::tests::Log;

    fn bid(number: u64, size: Option<usize>) -> (String, String, i64) {
        let (mut key, mut value) = (String::new(), Vec::new());
        let time = write_bid(number, None, size, &mut key, &mut value);
        (key, String::from_utf8(value).unwrap(), time)
    }

    #[test]
    fn a_bid_is_decided_by_its_number() {
        let (key, value, time) = bid(12_345, None);
        assert_eq!((key.as_str(), time), ("14944", 1_767_225_601_234));
        let expected = r#"{"auction":14944,"bidder":289821,"price":232806,"channel":"Facebook","url":"https://auctions.example/Facebook/item.htm?query=944","dateTime":1767225601234,"extra":"040d6020823fbd3fa9fb86aff8ee1b6d"}"#;
        assert_eq!(value, expected);
    }

    #[test]
    fn bids_are_json_of_about_200_bytes_with_their_auction_as_key() {
        for number in (0..1_000_000).step_by(997) {
            let (key, value, time) = bid(number, None);
            assert!((185..=225).contains(&value.len()), "{}: {value}", value.len());
            let json: serde_json::Value = serde_json::from_str(&value).unwrap();
            assert_eq!(json["auction"].to_string(), key);
            assert_eq!(json["dateTime"], time);
        }
    }

    #[test]
    fn bids_of_a_chosen_size_have_it_and_are_json_with_the_same_auction_and_price() {
        for size in [64, 65, 80, 1_000, 10_240] {
            for number in (0..1_000_000).step_by(99_991) {
                let (key, value, _) = bid(number, Some(size));
                assert_eq!(value.len(), size);
                let sized: serde_json::Value = serde_json::from_str(&value).unwrap();
                let full: serde_json::Value = serde_json::from_str(&bid(number, None).1).unwrap();
                assert_eq!(sized["auction"].to_string(), key);
                assert_eq!(sized["price"], full["price"]);
            }
        }
    }

    #[test]
    fn every_auction_gets_about_as_many_bids() {
        let mut bids = vec![0_u32; AUCTIONS as usize];
        let mut bidders = HashSet::new();
        for number in 0..20 * AUCTIONS {
            let (key, value, _) = bid(number, None);
            bids[key.parse::<usize>().unwrap()] += 1;
            bidders.insert(value[value.find("bidder").unwrap()..][8..14].to_owned());
        }
        // Poisson with a mean of 20: beyond these limits in less than one of 10,000 runs of 100,000 auctions.
        assert!(bids.iter().all(|bids| (1..=60).contains(bids)), "{:?} {:?}", bids.iter().min(), bids.iter().max());
        assert!(bidders.len() > 100_000, "{}", bidders.len());
    }

    #[test]
    fn zipf_gives_the_first_auction_a_share_of_one_by_the_harmonic_number() {
        let mut log = Log::default();
        let sizes = Sizes { records: 100_000, keys: 1, partitions: 4, value_size: Some(64) };
        load_zipf(&mut log, &sizes).unwrap();
        let first = (mixed(1) % AUCTIONS).to_string();
        let share = log.sent.iter().filter(|(_, key, ..)| *key == first.as_bytes()).count() as f64 / 100_000.0;
        let harmonic: f64 = (1..=AUCTIONS).map(|rank| 1.0 / rank as f64).sum();
        assert!((share - 1.0 / harmonic).abs() < 0.005, "{share}, expected about {}", 1.0 / harmonic);
    }
}
