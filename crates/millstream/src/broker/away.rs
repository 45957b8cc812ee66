use std::fmt;
use std::time::Duration;

/// No broker of the cluster answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// For how long.
    pub since: Duration,
    /// The last error, in words.
    pub reason: String,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no broker answers since {} s: {}", self.since.as_secs(), self.reason)
    }
}
