use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::upgrade::Upgrade;
use crate::serde::{Serde, SerdeError};

/// A store's name, how its keys and values are written to the changelog, and what else is to be known of it.
///
/// The name is the changelog's: `<application_id>-<name>-changelog`. Choose it once; a new name is a new, empty store.
pub struct Store<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) key: Arc<dyn Serde<K>>,
    pub(crate) value: Arc<dyn Serde<V>>,
    pub(crate) options: StoreOptions,
}

/// What is to be known of a store, whatever its types.
#[derive(Clone)]
pub(crate) struct StoreOptions {
    pub(crate) changelog: bool,
    /// How long a row lives after its last change, in ms of event time.
    pub(crate) time_to_live_ms: Option<i64>,
    /// The version that rows are written in; `None` for stores that never said one, whose rows are of version 0.
    pub(crate) version: Option<u32>,
    /// For each older version, what makes its rows rows of the next one.
    pub(crate) upgrades: BTreeMap<u32, Arc<Upgrade>>,
}

impl<K: 'static, V: 'static> Store<K, V> {
    /// Whether its serdes can write at all.
    pub(super) fn check_writable(&self) -> Result<(), SerdeError> {
        self.key.check_writable().and_then(|()| self.value.check_writable())
    }
}

impl<K, V> Store<K, V> {
    /// The store `name`, its keys written by `key` and its values by `value`.
    pub fn new(name: impl Into<Arc<str>>, key: impl Serde<K>, value: impl Serde<V>) -> Self {
        Store::of(name.into(), Arc::new(key), Arc::new(value))
    }

    pub(crate) fn of(name: Arc<str>, key: Arc<dyn Serde<K>>, value: Arc<dyn Serde<V>>) -> Self {
        let options =
            StoreOptions { changelog: true, time_to_live_ms: None, version: None, upgrades: BTreeMap::default() };
        Store { name, key, value, options }
    }

    /// The same store in memory alone: there is no changelog topic, and after a restart the store is empty. It is still rolled
    /// back by an abort, and a task that comes back to an instance where it has been finds it as it left it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let sums = Store::new("sums", Utf8, Be64).without_changelog();
    ///     b.stream(&i).group_by_key().reduce(sums, |a, b| a + b).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// driver.restart();
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&output), [2, 3]);
    /// ```
    pub fn without_changelog(mut self) -> Self {
        self.options.changelog = false;
        self
    }

    /// The same store, whose rows live for `time_to_live` (whole ms) of event time after their own timestamp, that of their
    /// last change. From the moment that stream time comes to the end of it a row is not seen any more; the changelog gets
    /// its tombstone with the next commit. Nothing is pushed when a row goes: a table over the store does not say so.
    ///
    /// For key-value and ordered stores; another kind of store with it is an error of the topology.
    ///
    /// A change that comes so late that its time is up already is never seen.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let sums = Store::new("sums", Utf8, Be64).time_to_live(Duration::from_millis(10));
    ///     b.stream(&i).group_by_key().reduce(sums, |a, b| a + b).to_stream().to(&o)
    /// });
    /// for (value, timestamp) in [(1, 0), (2, 9), (4, 18), (8, 28)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [1, 3, 7, 8]);
    /// ```
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.options.time_to_live_ms = Some(i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX));
        self
    }

    /// The same store, whose rows are written in this version of their form: each row in the changelog says so in its header
    /// `store-version`. Rows without are of version 0. A restore brings rows of older versions to this one by
    /// [`Store::upgrade`]; a row of a newer version is an error that stops the program.
    pub fn version(mut self, version: u32) -> Self {
        self.options.version = Some(version);
        self
    }

    /// The same store, with what makes a row of version `from` one of version `from + 1`: gets the bytes of its key and its
    /// value, as they are in the changelog, and returns those of the new ones. One for each older version whose rows may still
    /// be there. The key may change, too: the new one must follow from the old one alone, and two must not become one.
    ///
    /// Without transactions (at least once), a key must not become what another was before: a crash in the first commit would
    /// lose it.
    ///
    /// Rows whose key stays are left in the changelog as they are, until they change. Rows whose key changes are all written
    /// anew with the first commit after the restore, and their old keys get tombstones.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// // Version 0 had counts of four bytes.
    /// let counts: Store<String, i64> = Store::new("counts", Utf8, Be64).version(1).upgrade(0, |key, count| {
    ///     let count: i32 = Be32.decode(count)?;
    ///     Ok((key.to_vec(), i64::from(count).to_be_bytes().to_vec()))
    /// });
    /// ```
    pub fn upgrade(
        mut self,
        from: u32,
        upgrade: impl Fn(&[u8], &[u8]) -> Result<(Vec<u8>, Vec<u8>), SerdeError> + Send + Sync + 'static,
    ) -> Self {
        self.options.upgrades.insert(from, Arc::new(upgrade));
        self
    }
}
