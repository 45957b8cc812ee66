use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::SchemaId;

/// For how long it is remembered that there is no such schema, and of how many.
const REMEMBERED: Duration = Duration::from_secs(10);
const REMEMBERED_MAX: usize = 1_000;

/// Ids that the registry did not know: records with one of them may come by the thousand, and it is not asked for each.
#[derive(Debug, Default)]
pub(super) struct Unknown(HashMap<SchemaId, Instant>);

impl Unknown {
    pub(super) fn has(&self, id: SchemaId, now: Instant) -> bool {
        self.0.get(&id).is_some_and(|since| now.saturating_duration_since(*since) < REMEMBERED)
    }

    pub(super) fn note(&mut self, id: SchemaId, now: Instant) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, since| now.saturating_duration_since(*since) < REMEMBERED);
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, REMEMBERED_MAX, SchemaId, Unknown};
    use std::time::Instant;

    #[test]
    fn an_unknown_id_is_asked_for_again_after_a_while() {
        let (mut unknown, now) = (Unknown::default(), Instant::now());
        assert!(!unknown.has(SchemaId(1), now));
        unknown.note(SchemaId(1), now);
        assert!(unknown.has(SchemaId(1), now) && !unknown.has(SchemaId(2), now));
        assert!(!unknown.has(SchemaId(1), now + REMEMBERED));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (mut unknown, now) = (Unknown::default(), Instant::now());
        for id in 0..3 * REMEMBERED_MAX as u32 {
            unknown.note(SchemaId(id), now);
            assert!(unknown.0.len() <= REMEMBERED_MAX);
            assert!(unknown.has(SchemaId(id), now));
        }
    }
}
