use millstream::prelude::*;
use millstream::serde::SerdeError;

/// What a sensor says.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// In ms.
    pub(super) time: i64,
    pub(super) watts: f64,
}

/// How many values there were, and how they lie (Welford's method); the variance is `squares` by `count`.
#[derive(Clone, Copy)]
pub(super) struct Statistics {
    count: i64,
    mean: f64,
    /// The sum of the squares of the distances to the mean.
    squares: f64,
    least: f64,
    most: f64,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics { count: 0, mean: 0.0, squares: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }
}

impl Statistics {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }
}

/// A value as its words of 8 bytes, big-endian, one after the other.
pub(super) trait Words<const N: usize>: Copy {
    fn words(self) -> [u64; N];
    fn of(words: [u64; N]) -> Self;
}

impl Words<2> for Reading {
    fn words(self) -> [u64; 2] {
        [self.time as u64, self.watts.to_bits()]
    }

    fn of([time, watts]: [u64; 2]) -> Self {
        Reading { time: time as i64, watts: f64::from_bits(watts) }
    }
}

impl Words<5> for Statistics {
    fn words(self) -> [u64; 5] {
        let [mean, squares, least, most] = [self.mean, self.squares, self.least, self.most].map(f64::to_bits);
        [self.count as u64, mean, squares, least, most]
    }

    fn of([count, mean, squares, least, most]: [u64; 5]) -> Self {
        let [mean, squares, least, most] = [mean, squares, least, most].map(f64::from_bits);
        Statistics { count: count as i64, mean, squares, least, most }
    }
}

impl<const N: usize> Words<N> for [u64; N] {
    fn words(self) -> [u64; N] {
        self
    }

    fn of(words: [u64; N]) -> Self {
        words
    }
}

/// The serde of all [`Words`].
#[derive(Clone, Copy)]
pub(super) struct Fixed<const N: usize>;

impl<const N: usize, T: Words<N> + 'static> Serde<T> for Fixed<N> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        value.words().iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let (words, rest) = bytes.as_chunks::<8>();
        match <[[u8; 8]; N]>::try_from(words) {
            Ok(words) if rest.is_empty() => Ok(T::of(words.map(u64::from_be_bytes))),
            _ => Err(SerdeError::new(format!("found {} bytes; expected {}", bytes.len(), 8 * N))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_some_values() {
        let mut statistics = Statistics::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| statistics.add(value));
        let Statistics { count, mean, squares, least, most } = statistics;
        assert_eq!((count, mean, squares / count as f64, least, most), (8, 5.0, 4.0, 2.0, 9.0));
    }

    #[test]
    fn words_come_back_and_nothing_else_does() {
        let mut bytes = Vec::new();
        Fixed.encode(&Reading { time: -5, watts: 12.5 }, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 16);
        let reading: Reading = Fixed.decode(&bytes).unwrap();
        assert_eq!((reading.time, reading.watts), (-5, 12.5));
        for wrong in [&bytes[..15], &[&bytes[..], &[0]].concat(), &[&bytes[..], &bytes[..]].concat()] {
            let read: Result<Reading, _> = Fixed.decode(wrong);
            assert!(read.is_err(), "{} bytes", wrong.len());
        }
    }
}
