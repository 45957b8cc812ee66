//! What contestants read. An input is one topic, loaded once for all workloads of a command that read it.

mod auctions;
mod bids;
mod load;
mod measurements;
mod rows;
mod shuffled;
mod views;

use anyhow::Result;
use millstream::broker::{CleanupPolicy, Producer};

use crate::parameters::Sizes;

/// A topic with records that are decided by their numbers.
pub(crate) struct Input {
    /// The end of the topic's name.
    pub(crate) name: &'static str,
    pub(crate) cleanup_policy: CleanupPolicy,
    /// How many records it has.
    pub(crate) records: fn(&Sizes) -> u64,
    /// Writes them to the first topic of the producer, each to its key's partition, and waits until they are there.
    pub(crate) load: fn(&mut dyn Producer, &Sizes) -> Result<()>,
}

/// Bids whose auctions, the keys, are equally probable.
pub(crate) static BIDS: Input = Input {
    name: "bids",
    cleanup_policy: CleanupPolicy::Delete,
    records: |sizes| sizes.records,
    load: bids::load_uniform,
};

/// Bids whose auctions are as Zipf's law says: the first has more than a twelfth of all.
pub(crate) static ZIPF_BIDS: Input = Input {
    name: "zipf-bids",
    cleanup_policy: CleanupPolicy::Delete,
    records: |sizes| sizes.records,
    load: bids::load_zipf,
};

/// Each auction once, earlier than all bids.
pub(crate) static AUCTIONS: Input = Input {
    name: "auctions",
    cleanup_policy: CleanupPolicy::Compact,
    records: |_| bids::AUCTIONS,
    load: auctions::load,
};

/// Views of auctions, one for each fourth bid, at the times of the bids.
pub(crate) static VIEWS: Input = Input {
    name: "views",
    cleanup_policy: CleanupPolicy::Delete,
    records: |sizes| sizes.records.div_ceil(views::BIDS_PER_VIEW),
    load: views::load,
};

/// A changelog to be restored: each key once. Its topic is named as the store's changelog.
pub(crate) static ROWS: Input = Input {
    name: "counts-changelog",
    cleanup_policy: CleanupPolicy::Compact,
    records: |sizes| sizes.keys,
    load: rows::load,
};

/// Power measurements of sensors, as Theodolite's.
pub(crate) static MEASUREMENTS: Input = Input {
    name: "measurements",
    cleanup_policy: CleanupPolicy::Delete,
    records: |sizes| sizes.records,
    load: measurements::load,
};

/// A tenth as many.
pub(crate) static FEW_MEASUREMENTS: Input = Input {
    name: "few-measurements",
    cleanup_policy: CleanupPolicy::Delete,
    records: measurements::few,
    load: measurements::load_few,
};

/// The groups that the sensors are in.
pub(crate) static GROUPS: Input = Input {
    name: "groups",
    cleanup_policy: CleanupPolicy::Compact,
    records: |_| measurements::SENSORS,
    load: measurements::load_groups,
};

/// Records without keys, as ShuffleBench's.
pub(crate) static SHUFFLED: Input = Input {
    name: "shuffled",
    cleanup_policy: CleanupPolicy::Delete,
    records: |sizes| sizes.records,
    load: shuffled::load,
};

/// An input that has no record.
pub(crate) static NOTHING: Input =
    Input { name: "in", cleanup_policy: CleanupPolicy::Delete, records: |_| 0, load: |_, _| Ok(()) };
