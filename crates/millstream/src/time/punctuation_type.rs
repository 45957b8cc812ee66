/// The clock of a punctuation or a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PunctuationType {
    /// The task's stream time: moves with the records, stands still without.
    StreamTime,
    /// The machine's clock.
    WallClock,
}
