use std::fmt;
use std::time::Instant;

use anyhow::Result;

/// Works on so many records, and says how many ns each took.
pub(super) type Work = Box<dyn FnMut(u32) -> Result<f64>>;

pub(super) struct Contestant {
    pub(super) name: &'static str,
    /// `None`: it only reads.
    pub(super) encode: Option<Work>,
    pub(super) decode: Work,
}

/// Work that is this call for each record.
pub(super) fn work(mut call: impl FnMut() + 'static) -> Work {
    Box::new(move |records| {
        let start = Instant::now();
        for _ in 0..records {
            call();
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(records))
    })
}

/// A contestant, and what its turns took.
pub(super) struct Turns {
    contestant: Contestant,
    encode: Vec<f64>,
    decode: Vec<f64>,
}

impl Turns {
    pub(super) fn new(contestant: Contestant) -> Self {
        Turns { contestant, encode: Vec::new(), decode: Vec::new() }
    }

    pub(super) fn take(&mut self, records: u32) -> Result<()> {
        if let Some(encode) = &mut self.contestant.encode {
            self.encode.push(encode(records)?);
        }
        self.decode.push((self.contestant.decode)(records)?);
        Ok(())
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<32} {:>24} {:>24}", self.contestant.name, summary(&self.encode), summary(&self.decode))
    }
}

/// The median, and between which the turns lay.
fn summary(turns: &[f64]) -> String {
    let mut sorted = turns.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => String::new(),
        all => format!("{:.0} ({:.0} to {:.0})", all[all.len() / 2], all[0], all[all.len() - 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_median_is_told_and_the_range() {
        assert_eq!(summary(&[30.0, 10.0, 20.4]), "20 (10 to 30)");
        assert_eq!(summary(&[]), "");
    }
}
