use super::{Decoder, Frame, Incoming, Piece, StorePosition};
use crate::processor::guarded_anywhere;
use crate::task::TaskId;
use crate::topology::TaskGraph;
use crate::worker::Worker;

/// The state of a task on its way from another instance.
pub(in crate::worker) struct TakingOver {
    incoming: Box<dyn Incoming>,
    decoder: Decoder,
    /// What the other began with: its stores, by number the places of the same stores here, and their positions.
    begun: Option<Begun>,
    /// Who hands it out.
    pub(in crate::worker) from: String,
    /// How many rows have come.
    pub(in crate::worker) rows: u64,
}

struct Begun {
    /// For each store of the other its place in the graph here.
    stores: Vec<usize>,
    /// For each store of the graph here the position in its changelog.
    positions: Vec<i64>,
}

/// How many pieces one call takes at most, so that a worker does other work, too.
const PIECES_PER_STEP: usize = 8;

/// What a step of it came to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::worker) enum Taken {
    /// So many rows came; 0 when nothing is here yet.
    Rows(u64),
    /// The rest came, so many rows, and all is here: for each store of the graph the position from which its changelog goes on; 0 where that must be read
    /// from its beginning.
    All { rows: u64, positions: Vec<i64> },
}

impl TakingOver {
    /// Puts what has come into the stores of `graph`, which nothing else may have filled.
    ///
    /// # Errors
    /// As text; the graph is then not to be used.
    pub(in crate::worker) fn step(&mut self, graph: &TaskGraph) -> Result<Taken, String> {
        let taken = self.take(graph)?;
        for store in &graph.stores {
            let restored = guarded_anywhere(|| store.store.restored());
            restored.map_err(|panic| format!("a row of store {}: {panic}", store.name))?;
        }
        Ok(taken)
    }

    fn take(&mut self, graph: &TaskGraph) -> Result<Taken, String> {
        let before = self.rows;
        for _ in 0..PIECES_PER_STEP {
            match self.incoming.next()? {
                Piece::Bytes(bytes) => self.decoder.push(&bytes),
                Piece::NotYet => break,
                Piece::End => return Err("it broke off before its end".to_owned()),
            }
            while let Some(frame) = self.decoder.next()? {
                match frame {
                    Frame::Begin(stores) => self.begun = Some(Begun::of(&stores, graph)?),
                    Frame::Row(row) => {
                        let stores = self.begun.as_ref().map_or(&[][..], |begun| &begun.stores);
                        let place = stores.get(usize::from(row.store)).copied();
                        let store = place.and_then(|place| graph.stores.get(place));
                        let Some((store, Some(changelog))) = store.map(|store| (store, store.changelog.as_ref()))
                        else {
                            return Err(format!("a row is of store {}, which there is not", row.store));
                        };
                        let row = row.into_message();
                        let restored = guarded_anywhere(|| changelog.versions.restore(&*store.store, &row));
                        let restored = restored.map_err(|panic| format!("a row of store {}: {panic}", store.name))?;
                        restored.map_err(|error| format!("a row of store {}: {error}", store.name))?;
                        self.rows += 1;
                    }
                    Frame::End(rows) if rows != self.rows => {
                        return Err(format!("{} rows came of {rows}", self.rows));
                    }
                    Frame::End(_) => {
                        let positions = self.begun.take().map(|begun| begun.positions);
                        return Ok(Taken::All { rows: self.rows - before, positions: positions.unwrap_or_default() });
                    }
                }
            }
        }
        Ok(Taken::Rows(self.rows - before))
    }
}

impl Worker {
    /// Whether there is another instance whose state may be asked for, or may be one, as none was heard of yet.
    pub(in crate::worker) fn may_have_peers(&self) -> bool {
        self.peers.is_some() && self.known.may_have_addresses(&self.options().instance_id)
    }

    /// Begins to take a task's state from another instance that has it, if one is known; none if all of it lies in source
    /// topics, which are not handed out.
    pub(in crate::worker) fn begin_to_take_over(&self, task: TaskId) -> Option<TakingOver> {
        let peers = self.peers.as_ref()?;
        let stores = &self.application.topology.sub_topologies[task.sub_topology].stores;
        if !stores.iter().any(|store| store.changelog.is_some() && !store.from_source) {
            return None;
        }
        let from = self.known.holder_of(task, &self.options().instance_id)?;
        let incoming = peers.ask(&from, task, self.waker.clone());
        tracing::info!(%task, from, "its state is asked of another instance");
        Some(TakingOver { incoming, decoder: Decoder::default(), begun: None, from, rows: 0 })
    }
}

impl Begun {
    fn of(stores: &[StorePosition], graph: &TaskGraph) -> Result<Begun, String> {
        let mut positions = vec![0; graph.stores.len()];
        let places = stores.iter().map(|StorePosition { store, position }| {
            let place = graph.stores.iter().position(|own| *own.name == **store);
            let place = place.ok_or_else(|| format!("it has a store {store}, which there is not here"))?;
            positions[place] = (*position).max(0);
            Ok::<_, String>(place)
        });
        let places = places.collect::<Result<_, _>>()?;
        Ok(Begun { stores: places, positions })
    }
}
