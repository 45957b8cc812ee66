//! Scripts: what comes in, step by step, and what comes out.
//!
//! As text, a script is a list of steps with commas: `a=x@5` is a record with key a, value x and timestamp 5 for the
//! family's first source, `right a=x@5` one for the source "right", `a=x@5#trace=7` one with a header, and `wait 100` moves
//! the wall clock on by 100 ms. `null` is null, and nothing at all is an empty text.

use std::fmt::{self, Display, Formatter};

use crate::families::Compared;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes; hexadecimal in JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hex(pub Vec<u8>);

/// One script for one topology.
#[derive(Clone, Serialize)]
pub(crate) struct Script {
    /// `topology/name`.
    pub(crate) name: String,
    pub(crate) topology: String,
    pub(crate) steps: Vec<Step>,
    #[serde(skip)]
    pub(crate) compared: Compared,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Record(Input),
    Wait { advance_wall_clock_ms: i64 },
}

#[derive(Clone, Serialize)]
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) key: Option<Hex>,
    pub(crate) value: Option<Hex>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Hex>)>,
}

/// A record that came out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Output {
    /// The number of the step that it came with.
    pub(crate) step: usize,
    pub(crate) topic: String,
    pub(crate) key: Option<Hex>,
    pub(crate) value: Option<Hex>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Hex>)>,
}

impl Script {
    /// The script that `text` says.
    pub(crate) fn parse(topology: &str, name: &str, first_source: &str, text: &str) -> Script {
        let steps = text.split(',').map(str::trim).filter(|step| !step.is_empty());
        let steps =
            steps.map(|step| Step::parse(first_source, step).unwrap_or_else(|| panic!("{name}: what is {step:?}?")));
        let (steps, compared) = (steps.collect(), Compared::Steps);
        Script { name: format!("{topology}/{name}"), topology: topology.to_owned(), steps, compared }
    }
}

impl Step {
    fn parse(first_source: &str, text: &str) -> Option<Step> {
        if let Some(ms) = text.strip_prefix("wait ") {
            return Some(Step::Wait { advance_wall_clock_ms: ms.parse().ok()? });
        }
        let (topic, record) = text.split_once(' ').unwrap_or((first_source, text));
        let (record, header) = record.split_once('#').map_or((record, None), |(record, header)| (record, Some(header)));
        let (key, rest) = record.split_once('=')?;
        let (value, timestamp) = rest.split_once('@')?;
        let headers = match header {
            Some(header) => header.split_once('=').map(|(name, value)| vec![(name.to_owned(), nullable(value))])?,
            None => Vec::new(),
        };
        let (key, value, timestamp) = (nullable(key), nullable(value), timestamp.parse().ok()?);
        Some(Step::Record(Input { topic: topic.to_owned(), key, value, timestamp, headers }))
    }
}

fn nullable(text: &str) -> Option<Hex> {
    (text != "null").then(|| Hex(text.as_bytes().to_vec()))
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hex, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes = text.as_bytes().chunks(2).map(byte).collect::<Option<Vec<_>>>();
        bytes.map(Hex).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not hexadecimal")))
    }
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.steps.iter().enumerate().try_for_each(|(number, step)| writeln!(f, "  {number:>3}  {step}"))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Wait { advance_wall_clock_ms } => write!(f, "wait {advance_wall_clock_ms}"),
            Step::Record(Input { topic, key, value, timestamp, headers }) => {
                record(f, topic, (key, value), *timestamp, headers)
            }
        }
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        record(f, &self.topic, (&self.key, &self.value), self.timestamp, &self.headers)
    }
}

fn record(
    f: &mut Formatter<'_>,
    topic: &str,
    (key, value): (&Option<Hex>, &Option<Hex>),
    timestamp: i64,
    headers: &[(String, Option<Hex>)],
) -> fmt::Result {
    write!(f, "{topic} {}={}@{timestamp}", readable(key), readable(value))?;
    headers.iter().try_for_each(|(name, value)| write!(f, "#{name}={}", readable(value)))
}

/// Text as it is. Longs, alone or at the end, as numbers in brackets: windows' times and counts are small here.
fn readable(bytes: &Option<Hex>) -> String {
    let Some(Hex(bytes)) = bytes else {
        return "null".to_owned();
    };
    let (mut rest, mut longs) = (&bytes[..], String::new());
    while let Some((before, long)) = rest.split_last_chunk::<8>()
        && long[..4] == [0; 4]
    {
        rest = before;
        longs = format!("[{}]{longs}", i64::from_be_bytes(*long));
    }
    format!("{}{longs}", rest.escape_ascii())
}
