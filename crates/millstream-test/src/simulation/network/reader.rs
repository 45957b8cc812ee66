use std::ops::ControlFlow;

use millstream::broker::{BrokerError, Fetched, PartitionReader, Position};

use super::Network;
use crate::simulation::Fault;
use crate::simulation::world::{SharedWorld, World};

/// A reader that may hand over less than there is, and say later that it has come to the end.
pub(super) struct NetworkReader {
    reader: Box<dyn PartitionReader>,
    world: SharedWorld,
    name: String,
    /// Whether it reads outside of the group, as who restores does.
    is_outside: bool,
    /// The end that it has come to, and has not told yet.
    end: Option<i64>,
}

impl NetworkReader {
    pub(super) fn new(reader: Box<dyn PartitionReader>, network: &Network, name: &str, is_outside: bool) -> Self {
        let name = format!("{} {name}", network.process);
        NetworkReader { reader, world: network.world.clone(), name, is_outside, end: None }
    }

    /// How many records are handed over at most, and why it is fewer than were asked for.
    fn limit(&self, world: &mut World, records_max: usize) -> (usize, Option<Fault>) {
        if self.is_outside && world.draw(|odds| odds.slow_restore) {
            let limit = if world.random.one_in(2) { 0 } else { 1 + world.random.index(3) };
            return (limit.min(records_max), Some(Fault::SlowRestore));
        }
        if world.draw(|odds| odds.short_read) {
            return (world.random.index(6).min(records_max), Some(Fault::ShortRead));
        }
        (records_max, None)
    }
}

impl PartitionReader for NetworkReader {
    fn read(
        &mut self,
        records_max: usize,
        take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        let (limit, fault) = self.limit(&mut self.world.get(), records_max);
        if limit == 0 {
            return Ok(0);
        }
        let (mut handed, mut end, mut broken) = (0, None, false);
        // Nothing of the run is locked while the engine takes records: it may come back here.
        self.reader.read(limit, &mut |fetched| match fetched {
            Fetched::End(offset) => {
                end = Some(offset);
                ControlFlow::Continue(())
            }
            record => {
                handed += 1;
                let flow = take(record);
                broken = flow.is_break();
                flow
            }
        })?;
        let mut world = self.world.get();
        if handed > 0 {
            self.end = None;
            world.note(|| format!("{}: {handed} records", self.name));
        }
        if let Some(fault) = fault.filter(|_| handed == limit) {
            world.count(fault, &self.name);
        }
        self.end = end.or(self.end);
        if broken || self.end.is_none() {
            return Ok(handed);
        }
        if world.draw(|odds| odds.late_end) {
            world.count(Fault::LateEnd, &self.name);
            return Ok(handed);
        }
        drop(world);
        if let Some(end) = self.end.take() {
            let _ = take(Fetched::End(end));
        }
        Ok(handed)
    }

    fn seek(&mut self, to: Position) -> Result<(), BrokerError> {
        self.end = None;
        self.world.get().note(|| format!("{}: to {to:?}", self.name));
        self.reader.seek(to)
    }
}
