use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// A person who sells.
#[derive(Clone)]
pub(super) struct Seller {
    name: String,
    city: String,
    state: String,
}

fields!(Seller { name, city, state });

/// Both are tables: an auction may name a person who is still to come, and is joined when that one has come.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let sellers = b
        .stream(&nexmark.people())
        .filter(|_, person| ["OR", "ID", "CA"].contains(&&*person.state))
        .map_values(|person| Seller { name: person.name, city: person.city, state: person.state })
        .to_table(Store::new("people", Be64, Binary));
    let seller_of = b
        .stream(&nexmark.auctions())
        .filter(|_, auction| auction.category == 10)
        .map_values(|auction| auction.seller)
        .to_table(Store::new("seller-of", Be64, Be64));
    seller_of
        .join_foreign("seller", &sellers, |seller| Some(*seller), |_, seller| seller.clone())
        .to_stream()
        .to(&topic(nexmark));
}

/// Sellers by auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Seller> {
    nexmark.output("q3", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Seller> {
    Output::updated(topic(nexmark), |auction, seller| vec![row((&seller.name, &seller.city, &seller.state, auction))])
}
