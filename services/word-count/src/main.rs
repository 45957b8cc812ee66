//! Counts words: the smallest Millstream service.
fn main() {}
