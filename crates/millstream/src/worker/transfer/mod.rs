//! Moves the state of a task from the memory of one instance to that of another.
//!
//! The one that has it hands out the rows as they would be in the changelogs, while it goes on working, and says first up to
//! which positions of the changelogs it had them all. The other restores these rows, and reads the changelogs from there on.
//! Where this fails, everything is read from the changelogs.

mod frames;
mod fuzz;
mod handing_out;
mod ports;
mod server;
mod taking_over;

pub use fuzz::state_of_a_task;
pub use ports::{Incoming, Offered, Peers, Piece, Recipient};
pub use server::StateServer;

pub(super) use handing_out::{Asked, HandingOut};
pub(super) use taking_over::{Taken, TakingOver};

use frames::{Decoder, Frame, StorePosition, begin, end, row};
