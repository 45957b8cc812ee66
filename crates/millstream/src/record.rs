//! A record: the unit that flows through a topology.

/// Milliseconds since 1970-01-01 UTC, as Kafka counts them; may be negative.
pub type Timestamp = i64;

/// A key, a value, the time at which it happened, and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K, V> {
    /// What partitions and groups the record.
    pub key: K,
    /// What the record says.
    pub value: V,
    /// Event time in ms, from Kafka or from a timestamp extractor.
    pub timestamp: Timestamp,
    /// Passed on by every operator that yields one record for one record.
    pub headers: Headers,
}

impl<K, V> Record<K, V> {
    /// A record without headers.
    pub fn new(key: K, value: V, timestamp: Timestamp) -> Self {
        Record { key, value, timestamp, headers: Headers::default() }
    }

    /// The same record with another value.
    pub fn with_value<W>(self, value: W) -> Record<K, W> {
        Record { key: self.key, value, timestamp: self.timestamp, headers: self.headers }
    }

    /// The same record with another key.
    pub fn with_key<L>(self, key: L) -> Record<L, V> {
        Record { key, value: self.value, timestamp: self.timestamp, headers: self.headers }
    }
}

/// One header: a name, and bytes or null.
pub type Header = (String, Option<Vec<u8>>);

/// The headers of a record, in order; names may repeat. One word in size, and without allocation while empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::box_collection)] // a Vec would make each record two words larger for what most records do not have
pub struct Headers(Option<Box<Vec<Header>>>);

impl Headers {
    /// Adds a header at the end.
    pub fn push(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) {
        self.0.get_or_insert_default().push((name.into(), value));
    }

    /// The value of the last header of that name, as Kafka's `lastHeader`.
    pub fn last(&self, name: &str) -> Option<Option<&[u8]>> {
        self.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_deref())
    }

    /// All headers, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Header> {
        self.0.iter().flat_map(|headers| headers.iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |headers| headers.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let headers: Vec<Header> = headers.into_iter().collect();
        Headers((!headers.is_empty()).then(|| Box::new(headers)))
    }
}
