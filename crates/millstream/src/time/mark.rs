use crate::record::{Headers, Timestamp};

/// What an upstream task writes to each partition of a repartition topic: the time that it has come to. All that it wrote
/// before is in front of it, all that comes after is no older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) sub_topology: u32,
    pub(crate) partition: u32,
    /// How many tasks its sub-topology has.
    pub(crate) tasks: u32,
    pub(crate) time: Timestamp,
    /// Whether its inputs have had nothing for so long that nobody should wait for it.
    pub(crate) is_idle: bool,
}

const HEADER: &str = "millstream-watermark";
const BYTES: usize = 21;

impl Mark {
    /// As the only header of a record without key and value.
    pub(crate) fn headers(&self) -> Headers {
        let mut bytes = Vec::with_capacity(BYTES);
        for number in [self.sub_topology, self.partition, self.tasks] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.time.to_be_bytes());
        bytes.push(self.is_idle.into());
        let mut headers = Headers::default();
        headers.push(HEADER, Some(bytes));
        headers
    }

    /// The mark that a record is; `None` for any other record.
    pub(crate) fn of(headers: &Headers) -> Option<Mark> {
        let bytes: [u8; BYTES] = headers.last(HEADER)??.try_into().ok()?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut time = [0; 8];
        time.copy_from_slice(&bytes[12..20]);
        Some(Mark {
            sub_topology: number(0),
            partition: number(4),
            tasks: number(8),
            time: i64::from_be_bytes(time),
            is_idle: bytes[20] != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;
    use crate::record::Headers;

    #[test]
    fn comes_back_from_its_headers() {
        let mark = Mark { sub_topology: 1, partition: 300, tasks: 70_000, time: -5, is_idle: true };
        assert_eq!(Mark::of(&mark.headers()), Some(mark));
        assert_eq!(Mark::of(&Headers::default()), None);
        let other: Headers = [("millstream-watermark".to_owned(), Some(vec![1]))].into_iter().collect();
        assert_eq!(Mark::of(&other), None);
    }
}
