use std::hash::Hash;
use std::time::Duration;

use millstream::prelude::*;

use super::DAY_MS;
use crate::binary::{Binary, Field, fields};

/// How many of all prices, and of those of three bands.
#[derive(Clone, Copy, Default)]
pub(super) struct Bands {
    pub(super) total: i64,
    /// Below 10,000.
    pub(super) rank1: i64,
    /// From 10,000 to below 1,000,000.
    pub(super) rank2: i64,
    pub(super) rank3: i64,
}

fields!(Bands { total, rank1, rank2, rank3 });

impl Bands {
    /// Counts a price.
    pub(super) fn count(&mut self, price: i64) {
        self.total += 1;
        match price {
            ..10_000 => self.rank1 += 1,
            10_000..1_000_000 => self.rank2 += 1,
            1_000_000.. => self.rank3 += 1,
        }
    }

    /// The four as columns of a row.
    pub(super) fn columns(self) -> [i64; 4] {
        [self.total, self.rank1, self.rank2, self.rank3]
    }

    /// One where there are any.
    fn any(self) -> Bands {
        let any = |count: i64| count.min(1);
        Bands { total: any(self.total), rank1: any(self.rank1), rank2: any(self.rank2), rank3: any(self.rank3) }
    }

    fn add(&mut self, times: i64, more: Bands) {
        self.total += times * more.total;
        self.rank1 += times * more.rank1;
        self.rank2 += times * more.rank2;
        self.rank3 += times * more.rank3;
    }
}

/// Bids of a group, such as a day, and how many different ones there are of those who, or that which, they are from.
#[derive(Clone, Copy, Default)]
pub(super) struct Distinct {
    pub(super) bids: Bands,
    pub(super) distinct: Bands,
    /// The last minute with a bid, counted from the day's begin.
    pub(super) minute: i64,
}

fields!(Distinct { bids, distinct, minute });

/// Bids of one day and one bidder, or auction, and the last minute with one.
pub(super) type Part = (Bands, i64);

/// A bid that is counted: its price, and the minute of its day.
pub(super) type Counted = (i64, i64);

/// What of a bid is counted.
pub(super) fn counted(price: i64, time: Timestamp) -> Counted {
    (price, time.rem_euclid(DAY_MS) / 60_000)
}

/// Counts in two steps, so that no task has all the bids of a group and no row all its bidders: first for each day and item (a
/// bidder, an auction, in a channel or not), then for each day and group, `group` saying the item's.
pub(super) fn count_distinct<I, G>(
    bids: &GroupedStream<I, Counted>,
    name: &str,
    group: impl Fn(&I) -> G + 'static,
) -> Table<(G, Timestamp), Distinct>
where
    I: Field + Hash + Eq + Clone + 'static,
    G: Field + Hash + Eq + Clone + 'static,
{
    let items = bids
        .windowed_by(TimeWindows::tumbling(Duration::from_millis(DAY_MS as u64)))
        .emit(Emit::OnCommit)
        .aggregate(Store::new(format!("{name}-items"), Binary, Binary), Part::default, |_, (price, minute), part| {
            part.0.count(price);
            part.1 = part.1.max(minute);
        });
    let change = |times: i64| {
        move |_: &_, (bids, minute): Part, all: &mut Distinct| {
            all.bids.add(times, bids);
            all.distinct.add(times, bids.any());
            // What is taken out comes again, with a minute that is no earlier.
            all.minute = all.minute.max(minute);
        }
    };
    items
        .group_by(Topic::new(format!("{name}-groups"), Binary, Binary), move |item, part| {
            ((group(&item.key), item.window.start), *part)
        })
        .aggregate(Store::new(name.to_owned(), Binary, Binary), Distinct::default, change(1), change(-1))
}
