//! Moves the state of a task from the memory of one instance to that of another.
//!
//! The one that has it hands out the rows as they would be in the changelogs, while it goes on working, and says first up to
//! which positions of the changelogs it had them all. The other restores these rows, and reads the changelogs from there on.
//! Where this fails, everything is read from the changelogs.

mod frames;
mod ports;

pub use ports::{Incoming, Offered, Peers, Piece, Recipient};

pub(crate) use frames::{Decoder, Frame, Row, StorePosition, begin, end, row};
