use std::time::{Duration, Instant};

use millstream::broker::Away;

/// Tells of a broker that is away, at a limited rate, and says when it was waited for long enough.
pub(crate) struct Lost {
    /// How long it is waited for; `None`: for ever.
    limit: Option<Duration>,
    /// When it was first told of this time, and when it was told of last; and how long until it is told of again.
    told: Option<(Instant, Instant, Duration)>,
}

const TOLD_AGAIN: Duration = Duration::from_secs(5);
const TOLD_AT_LEAST: Duration = Duration::from_secs(60);

impl Lost {
    /// `limit_ms`: 0 is for ever.
    pub(crate) fn new(limit_ms: i64) -> Self {
        let limit = u64::try_from(limit_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        Lost { limit, told: None }
    }

    /// Notes how things are now; fails if it is away for too long.
    pub(crate) fn note(&mut self, away: Option<Away>) -> Result<(), Away> {
        let Some(away) = away else {
            if let Some((first, ..)) = self.told.take() {
                tracing::info!("a broker answers again, after {} s", first.elapsed().as_secs());
            }
            return Ok(());
        };
        if self.limit.is_some_and(|limit| away.since >= limit) {
            return Err(away);
        }
        let now = Instant::now();
        match &mut self.told {
            None => {
                tracing::warn!("{away}; waiting for one");
                self.told = Some((now.checked_sub(away.since).unwrap_or(now), now, TOLD_AGAIN));
            }
            Some((_, last, pause)) if last.elapsed() >= *pause => {
                tracing::warn!("{away}; still waiting");
                (*last, *pause) = (now, (*pause * 2).min(TOLD_AT_LEAST));
            }
            Some(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(ms: u64) -> Option<Away> {
        Some(Away { since: Duration::from_millis(ms), reason: "refused".to_owned() })
    }

    #[test]
    fn is_waited_for_up_to_the_limit_or_for_ever() {
        let mut lost = Lost::new(2_000);
        lost.note(away(1_999)).unwrap();
        lost.note(None).unwrap();
        assert_eq!(lost.note(away(2_000)).unwrap_err().to_string(), "no broker answers since 2 s: refused");
        Lost::new(0).note(away(u64::MAX / 2)).unwrap();
    }
}
