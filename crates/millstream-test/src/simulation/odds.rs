use super::Random;

/// How seldom each kind of fault is: once in so many times that it could occur; 0 is never.
///
/// A seed draws them, and leaves some kinds out: where everything goes wrong at once, nothing goes far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// A read that hands over less than there is.
    pub short_read: u64,
    /// An end that is told later.
    pub late_end: u64,
    /// A read outside of the group that hands over nothing, or little.
    pub slow_restore: u64,
    /// Markers of transactions that are held back at all; each is written once in so many steps.
    pub late_marker: u64,
    /// A request that is not answered in time.
    pub unanswered: u64,
    /// A commit that is refused.
    pub commit_refused: u64,
    /// A commit whose outcome the client is not told.
    pub outcome_lost: u64,
    /// A commit during which the broker goes away.
    pub away_in_commit: u64,
    /// How many steps pass between two disturbances of the cluster.
    pub disturbance: u64,
    /// Among the disturbances: a broker, or a coordinator of transactions, that goes away.
    pub away: u64,
    /// A coordinator of the group that moves or forgets its members, and members that are thrown out.
    pub rebalance: u64,
    /// A process or a thread that stands still.
    pub pause: u64,
    /// A process that vanishes.
    pub crash: u64,
    /// A process that ends in order.
    pub stop: u64,
    /// A clock that jumps.
    pub clock: u64,
    /// A fenced transactional id.
    pub fence: u64,
    /// A transfer of state that breaks off.
    pub transfer_broken: u64,
}

impl Odds {
    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Odds::default()
    }

    /// Those of a seed.
    pub fn draw(random: &mut Random) -> Self {
        let mut kind = |low: i64, end: i64| if random.one_in(3) { 0 } else { random.between(low, end) as u64 };
        Odds {
            short_read: kind(2, 10),
            late_end: kind(2, 8),
            slow_restore: kind(1, 5),
            late_marker: kind(2, 60),
            unanswered: kind(5, 60),
            commit_refused: kind(4, 40),
            outcome_lost: kind(4, 40),
            away_in_commit: kind(20, 200),
            disturbance: kind(20, 300).max(20),
            away: kind(4, 20),
            rebalance: kind(2, 10),
            pause: kind(2, 10),
            crash: kind(2, 10),
            stop: kind(2, 10),
            clock: kind(3, 20),
            fence: kind(3, 20),
            transfer_broken: kind(3, 20),
        }
    }
}
