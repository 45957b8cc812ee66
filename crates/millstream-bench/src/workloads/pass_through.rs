use std::sync::Arc;

use millstream::prelude::*;

use super::{Compared, STATELESS, Workload};
use crate::inputs::BIDS;

pub(super) static PASS_THROUGH: Workload = Workload {
    name: "pass-through",
    about: "Each record of the input goes unchanged to the output: key, value and timestamp.",
    inputs: &[&BIDS],
    contestants: STATELESS,
    topology: |topics| {
        let (input, output) = (Topic::new(&*topics.inputs[0], Bytes, Bytes), Topic::new(&*topics.output, Bytes, Bytes));
        Arc::new(move |b| b.stream(&input).to(&output))
    },
    has_changelog: false,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};
