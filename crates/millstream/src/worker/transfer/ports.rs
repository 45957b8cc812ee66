use crate::broker::Waker;
use crate::task::TaskId;

/// The way to other instances: what the engine needs of a network between them.
pub trait Peers: Send + Sync {
    /// Begins to ask the instance at `address` (`http://host:port`, as it told it) for the state of a task. Returns at once; `waker` is called when a
    /// piece of the answer has come, from any thread. Dropping what it returns ends it.
    fn ask(&self, address: &str, task: TaskId, waker: Waker) -> Box<dyn Incoming>;
}

/// An answer on its way in.
pub trait Incoming: Send {
    /// The next piece, if it is here; never waits.
    ///
    /// # Errors
    /// As text, when there will be none: no connection, refused, broken off.
    fn next(&mut self) -> Result<Piece, String>;
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes follow.
    Bytes(Vec<u8>),
    /// Nothing more has come yet.
    NotYet,
    /// All has come.
    End,
}

/// Who gets a task's state: the other end of an [`Incoming`].
pub trait Recipient: Send {
    /// Takes the next piece, if there is room for it; never waits.
    fn offer(&mut self, piece: Vec<u8>) -> Offered;
}

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is on its way.
    Taken,
    /// There is no room; here it is again.
    Full(Vec<u8>),
    /// Nobody takes it any more.
    Gone,
}
