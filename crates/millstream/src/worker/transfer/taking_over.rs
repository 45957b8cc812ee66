use super::{Decoder, Frame, Incoming, Piece, StorePosition};
use crate::topology::TaskGraph;

/// The state of a task on its way from another instance.
pub(crate) struct TakingOver {
    incoming: Box<dyn Incoming>,
    decoder: Decoder,
    /// What the other began with: its stores, by number the places of the same stores here, and their positions.
    begun: Option<Begun>,
    /// How many rows have come.
    pub(crate) rows: u64,
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
pub(crate) enum Taken {
    /// So many rows came; 0 when nothing is here yet.
    Rows(u64),
    /// All is here: for each store of the graph the position from which its changelog goes on; 0 where that must be read
    /// from its beginning.
    All(Vec<i64>),
}

impl TakingOver {
    /// Takes what `incoming` brings.
    pub(crate) fn new(incoming: Box<dyn Incoming>) -> Self {
        TakingOver { incoming, decoder: Decoder::default(), begun: None, rows: 0 }
    }

    /// Puts what has come into the stores of `graph`, which nothing else may have filled.
    ///
    /// # Errors
    /// As text; the graph is then not to be used.
    pub(crate) fn step(&mut self, graph: &TaskGraph) -> Result<Taken, String> {
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
                        let Some((store, Some(changelog))) = store.map(|store| (store, store.changelog.as_ref())) else {
                            return Err(format!("a row is of store {}, which there is not", row.store));
                        };
                        let restored = changelog.versions.restore(&*store.store, &row.into_message());
                        restored.map_err(|error| format!("a row of store {}: {error}", store.name))?;
                        self.rows += 1;
                    }
                    Frame::End(rows) if rows != self.rows => {
                        return Err(format!("{} rows came of {rows}", self.rows));
                    }
                    Frame::End(_) => {
                        let positions = self.begun.take().map(|begun| begun.positions);
                        return Ok(Taken::All(positions.unwrap_or_default()));
                    }
                }
            }
        }
        Ok(Taken::Rows(self.rows - before))
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
