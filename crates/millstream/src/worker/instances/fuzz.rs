use std::collections::BTreeSet;
use std::sync::Arc;

use super::view::View;
use super::{placement, range};
use crate::broker::Message;
use crate::record::Headers;

/// Any bytes as records of the control topic, a line each: what stands before the first space is the key. Then does what an
/// instance does with what it heard.
pub fn control_topic(data: &[u8]) {
    let mut view = View::new(Arc::default());
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let (key, value) = match line.iter().position(|byte| *byte == b' ') {
            Some(space) => (&line[..space], Some(&line[space + 1..])),
            None => (line, None),
        };
        let (key, offset, headers) = (Some(key), number as i64, Headers::default());
        view.take(&Message { offset, timestamp: 0, key, value, headers }, offset, number % 2 == 1);
    }
    let counts = [3, 1];
    let own: BTreeSet<_> = range::tasks(&counts).collect();
    for now in [0, i64::from(u32::MAX)] {
        view.look(now);
        let members = view.members(None);
        let owners = view.owners(&members);
        let placed = placement::place(&members, &counts, &owners, 2);
        assert!(placed.values().flatten().all(|member| *member < members.len()));
        for task in &own {
            view.positions(*task);
        }
        view.claims("own", &own, now);
        view.to_forget(now);
    }
}
