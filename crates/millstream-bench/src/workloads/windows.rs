use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;
use millstream::topology::Define;

use super::{Compared, STATEFUL, STORE, Workload};
use crate::inputs::BIDS;
use crate::job::Topics;

const SIZE: Duration = Duration::from_secs(10);
const ADVANCE: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(1);

pub(super) static TUMBLING: Workload = Workload {
    name: "tumbling",
    about: "Count by key in tumbling windows of 10 s: each record puts its key and window with the new count into the \
            output.",
    inputs: &[&BIDS],
    contestants: STATEFUL,
    topology: |topics| counts(topics, TimeWindows::tumbling(SIZE)),
    has_changelog: true,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

pub(super) static HOPPING: Workload = Workload {
    name: "hopping",
    about: "The same in windows of 10 s that slide by 2 s: five outputs a record.",
    topology: |topics| counts(topics, TimeWindows::hopping(SIZE, ADVANCE)),
    ..TUMBLING
};

fn counts(topics: &Topics, windows: TimeWindows) -> Define {
    let windows = windows.grace(GRACE);
    let input = Topic::new(&*topics.inputs[0], Utf8, Unit);
    let key = TimeWindowed::new(Utf8, SIZE.as_millis() as i64);
    let output = Topic::<_, i64>::new(&*topics.output, key, Be64);
    Arc::new(move |b| {
        let counts = b.stream(&input).group_by_key().windowed_by(windows);
        counts.count(Store::new(STORE, Utf8, Be64)).to_stream().to(&output)
    })
}
