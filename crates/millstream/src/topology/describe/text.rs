use std::fmt;

use crate::topology::Topology;

/// The topology as text, a line for each node: stable, so that two versions can be compared line by line.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "topology {}", self.application_id)?;
        for (number, sub) in self.sub_topologies.iter().enumerate() {
            writeln!(f, "  sub-topology {number}")?;
            for node in &sub.nodes {
                write!(f, "    {}: {}", node.name, node.kind)?;
                if !node.parents.is_empty() {
                    write!(f, " <- {}", node.parents.join(", "))?;
                }
                if !node.stores.is_empty() {
                    write!(f, " [{}]", node.stores.join(", "))?;
                }
                writeln!(f)?;
            }
            for store in &sub.stores {
                let changelog = store.changelog.as_deref().unwrap_or("in memory alone, without changelog");
                write!(f, "    store {}: {changelog}", store.name)?;
                if store.version > 0 {
                    write!(f, ", version {}", store.version)?;
                }
                if let Some(ms) = store.time_to_live_ms {
                    write!(f, ", rows live {ms} ms")?;
                }
                writeln!(f)?;
            }
        }
        for global in &self.globals {
            writeln!(f, "  global table {}: {}", global.name, global.topic)?;
        }
        Ok(())
    }
}
