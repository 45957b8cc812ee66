use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream::broker::Waker;
use millstream::task::TaskId;
use millstream::worker::{Incoming, Offered, Peers, Piece, Recipient, StateServer};

use super::Fault;
use super::world::SharedWorld;

/// The way between instances, by their addresses: those of processes that vanished stay, and answer nothing.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<BTreeMap<String, StateServer>>>);

impl Addresses {
    pub(super) fn set(&self, address: &str, server: StateServer) {
        lock(&self.0).insert(address.to_owned(), server);
    }

    /// The way to them, for an instance.
    pub(super) fn peers(&self, world: &SharedWorld) -> Arc<dyn Peers> {
        Arc::new(Way { addresses: self.clone(), world: world.clone() })
    }
}

struct Way {
    addresses: Addresses,
    world: SharedWorld,
}

/// A state on its way.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<Vec<u8>>,
    /// Nothing more comes, or nobody takes more.
    is_closed: bool,
}

type SharedPipe = Arc<Mutex<Pipe>>;

/// How many pieces wait in a pipe at most.
const ROOM: usize = 2;

impl Peers for Way {
    fn ask(&self, address: &str, task: TaskId, _waker: Waker) -> Box<dyn Incoming> {
        let pipe = SharedPipe::default();
        let server = lock(&self.addresses.0).get(address).cloned();
        // A recipient that is let go of closes its end.
        let sender = Box::new(Sender(pipe.clone()));
        if let Some(server) = server {
            server.ask(task, sender);
        }
        Box::new(Receiver { pipe, world: self.world.clone(), address: address.to_owned() })
    }
}

struct Sender(SharedPipe);

impl Recipient for Sender {
    fn offer(&mut self, piece: Vec<u8>) -> Offered {
        let mut pipe = lock(&self.0);
        if pipe.is_closed {
            return Offered::Gone;
        }
        if pipe.pieces.len() >= ROOM {
            return Offered::Full(piece);
        }
        pipe.pieces.push_back(piece);
        Offered::Taken
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        lock(&self.0).is_closed = true;
    }
}

struct Receiver {
    pipe: SharedPipe,
    world: SharedWorld,
    address: String,
}

impl Incoming for Receiver {
    fn next(&mut self) -> Result<Piece, String> {
        let mut world = self.world.get();
        if world.draw(|odds| odds.transfer_broken) {
            world.count(Fault::TransferBroken, &self.address);
            return Err("it breaks off".to_owned());
        }
        if world.draw(|odds| odds.slow_restore) {
            return Ok(Piece::NotYet);
        }
        let mut pipe = lock(&self.pipe);
        match pipe.pieces.pop_front() {
            Some(piece) => {
                world.count(Fault::Transferred, &self.address);
                Ok(Piece::Bytes(piece))
            }
            None if pipe.is_closed => Ok(Piece::End),
            None => Ok(Piece::NotYet),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        lock(&self.pipe).is_closed = true;
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
