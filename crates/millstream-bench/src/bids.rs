//! The input: bids as in the Nexmark benchmark, about 200 bytes of JSON each.

use std::fmt::Write;

use millstream::record::Timestamp;

/// How many auctions, that is keys, there are.
pub(crate) const AUCTIONS: u64 = 100_000;

const BIDDERS: u64 = 1_000_000;
const CHANNELS: [&str; 4] = ["Apple", "Baidu", "Facebook", "Google"];

/// 2026-01-01, the first bid's time.
const START_MS: Timestamp = 1_767_225_600_000;
const BIDS_PER_MS: u64 = 10;

/// Writes bid `number` over what `key` and `value` hold, and returns its time. The key is its auction in decimal digits,
/// each auction being equally probable; the same number gives the same bid everywhere.
pub(crate) fn write_bid(number: u64, key: &mut String, value: &mut String) -> Timestamp {
    let random = mixed(number);
    let auction = random % AUCTIONS;
    let bidder = (random >> 20) % BIDDERS;
    let price = 100 + (random >> 40) % 1_000_000;
    let channel = CHANNELS[(random >> 60) as usize % CHANNELS.len()];
    let time = START_MS + (number / BIDS_PER_MS) as Timestamp;
    let extra = mixed(random);
    key.clear();
    value.clear();
    // Writing into a String cannot fail.
    let _ = write!(key, "{auction}");
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
pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{AUCTIONS, write_bid};

    fn bid(number: u64) -> (String, String, i64) {
        let (mut key, mut value) = ("left over".to_owned(), "left over".to_owned());
        let time = write_bid(number, &mut key, &mut value);
        (key, value, time)
    }

    #[test]
    fn a_bid_is_decided_by_its_number() {
        let (key, value, time) = bid(12_345);
        assert_eq!((key.as_str(), time), ("14944", 1_767_225_601_234));
        let expected = r#"{"auction":14944,"bidder":289821,"price":232806,"channel":"Facebook","url":"https://auctions.example/Facebook/item.htm?query=944","dateTime":1767225601234,"extra":"040d6020823fbd3fa9fb86aff8ee1b6d"}"#;
        assert_eq!(value, expected);
    }

    #[test]
    fn bids_are_json_of_about_200_bytes_with_their_auction_as_key() {
        for number in (0..1_000_000).step_by(997) {
            let (key, value, time) = bid(number);
            assert!((185..=225).contains(&value.len()), "{}: {value}", value.len());
            let json: serde_json::Value = serde_json::from_str(&value).unwrap();
            assert_eq!(json["auction"].to_string(), key);
            assert_eq!(json["dateTime"], time);
        }
    }

    #[test]
    fn every_auction_gets_about_as_many_bids() {
        let mut bids = vec![0_u32; AUCTIONS as usize];
        let mut bidders = HashSet::new();
        let (mut key, mut value) = (String::new(), String::new());
        for number in 0..20 * AUCTIONS {
            write_bid(number, &mut key, &mut value);
            bids[key.parse::<usize>().unwrap()] += 1;
            bidders.insert(value[value.find("bidder").unwrap()..][8..14].to_owned());
        }
        // Poisson with a mean of 20: beyond these limits in less than one of 10,000 runs of 100,000 auctions.
        assert!(bids.iter().all(|bids| (1..=60).contains(bids)), "{:?} {:?}", bids.iter().min(), bids.iter().max());
        assert!(bidders.len() > 100_000, "{}", bidders.len());
    }
}
