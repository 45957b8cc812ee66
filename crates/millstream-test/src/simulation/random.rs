/// Numbers that follow from a seed: the same for the same seed in every version, so that a seed stays what it was.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn of(seed: u64) -> Self {
        Random(seed)
    }

    /// Other numbers, that follow from what this is for: drawing from one changes nothing in the other.
    pub fn fork(&mut self) -> Self {
        Random(self.number())
    }

    /// Any number: the next one of SplitMix64.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.number() % end }
    }

    /// A place in something that has so many.
    pub fn index(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// A number from `low` on and below `end`; `low` if there is none.
    pub fn between(&mut self, low: i64, end: i64) -> i64 {
        low + self.below(end.saturating_sub(low).max(0) as u64) as i64
    }

    /// Whether something that happens once in so many times happens; 0 is never.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        let mut random = Random::of(1_234_567);
        let first = [random.number(), random.number(), random.number()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::of(0);
        for _ in 0..1_000 {
            assert!(random.below(3) < 3 && (-2..5).contains(&random.between(-2, 5)));
        }
        assert_eq!((random.below(0), random.between(4, 4), random.one_in(0)), (0, 4, false));
    }
}
