//! Topologies with every operator and every kind of store, those of the golden files, and one of rows with versions.

#[path = "../../golden/topologies.rs"]
mod golden;

use std::sync::LazyLock;

use millstream::prelude::*;
use millstream::serde::SerdeError;

use crate::task::Subject;

pub(crate) static OPERATORS: LazyLock<Subject> = LazyLock::new(|| Subject::new(golden::operators));
pub(crate) static WINDOWS: LazyLock<Subject> = LazyLock::new(|| Subject::new(golden::windows));
pub(crate) static TABLES: LazyLock<Subject> = LazyLock::new(|| Subject::new(golden::tables));
pub(crate) static PROCESSORS: LazyLock<Subject> = LazyLock::new(|| Subject::new(golden::processors));
pub(crate) static VERSIONS: LazyLock<Subject> = LazyLock::new(|| Subject::new(versions));

/// Stores whose rows were of other forms before: one whose values changed, and one whose keys did.
fn versions(b: &TopologyBuilder) {
    let input = b.stream(&Topic::<String, i64>::new("input", Utf8, Be64));
    let values = Store::new("values", Utf8, Be64).version(2);
    let values = values.upgrade(0, |key, value| Ok((key.to_vec(), value.to_vec()))).upgrade(1, |key, value| {
        let value: i32 = Be32.decode(value)?;
        Ok((key.to_vec(), i64::from(value).to_be_bytes().to_vec()))
    });
    input
        .group_by_key()
        .reduce(values, |a: &i64, b| a.wrapping_add(b))
        .to_stream()
        .to(&Topic::<_, i64>::new("values", Utf8, Be64));
    let keys = Store::new("keys", Utf8, Be64).version(1).upgrade(0, |key, value| {
        let key: String = Utf8.decode(key)?;
        match key.is_empty() {
            true => Err(SerdeError::new("an empty key")),
            false => Ok((format!("new-{key}").into_bytes(), value.to_vec())),
        }
    });
    input
        .group_by_key()
        .reduce(keys, |a: &i64, b| a.wrapping_add(b))
        .to_stream()
        .to(&Topic::<_, i64>::new("keys", Utf8, Be64));
}
