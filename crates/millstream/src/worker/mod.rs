//! Workers and instances: what runs tasks.
//!
//! An [`Instance`] is one process: one member of the consumer group. Its thread polls the group, and hands whole tasks
//! to [`Worker`]s. A worker is one thread with one producer: it reads, processes and commits its tasks. Both are state
//! machines that somebody else steps, so that the same code runs on threads in a service and, without any, in tests.
//!
//! ```text
//!   group ── Assigned ──► instance ── Open(task, readers, positions) ──► worker
//!   group ◄─ assign ───── instance
//!   group ── Revoked ───► instance ── Close(tasks) ──► worker: commits, parks the tasks
//!   group ◄─ unassign ─── instance ◄─ Closed(readers) ─ worker
//! ```
//!
//! A revocation is answered only after every worker has let go of the partitions. A worker whose producer was fenced
//! drops its tasks and asks for a new producer (`Reset`); the instance opens the tasks anew if they are still its own.

mod at;
mod backoff;
mod close;
mod commit;
mod copies;
mod drain;
mod drained;
mod error_counts;
mod failing;
mod globals;
mod instance;
mod instance_status;
mod instances;
mod memory;
mod message;
mod moment;
mod open;
mod options;
mod pause;
mod prepare;
mod rate;
mod rebalance;
mod restore;
mod status;
mod step;
mod transfer;

/// Entry points of the fuzz tests.
#[doc(hidden)]
pub mod fuzz {
    pub use super::instances::control_topic;
    pub use super::transfer::state_of_a_task;
}

pub use crate::processor::{ErrorPolicies, ErrorPolicy, RecordRetry};
pub use at::At;
pub use error_counts::{ErrorAction, ErrorLabels};
pub use instance::{Instance, Phase};
pub use instance_status::InstanceStatus;
pub use instances::{AnnouncedPhase, AnnouncedTask, Announcement, KnownInstance, KnownInstances};
pub use options::{Guarantee, Moment, OffsetReset, Options};
pub use prepare::{Application, StartError};
pub use status::{Intake, TaskState, TaskStatus, WorkerStatus};
pub use step::{Step, Worker, WorkerSeed};
pub use transfer::{Incoming, Offered, Peers, Piece, Recipient, StateServer};
