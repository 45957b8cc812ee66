//! Operators on one table.

use super::{Twin, table, texts};

pub(crate) const TWINS: &[Twin] = &[("table_to_stream", |b| table(b, "in").to_stream().to(&texts("out")))];
