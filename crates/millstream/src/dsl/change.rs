/// A change of one key of a table: the value before and the value now, `None` where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<V> {
    /// The value before.
    pub old: Option<V>,
    /// The value now; `None` when the key was deleted.
    pub new: Option<V>,
}
