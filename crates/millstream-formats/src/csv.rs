//! Lines of CSV.

use csv::{ReaderBuilder, Terminator, WriterBuilder};
use millstream::serde::{Serde, SerdeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record is one line of CSV (RFC 4180) without a header, its fields in the order of the type's: a struct or a tuple of numbers,
/// texts, options and the like. The end of the line may be there; it is not written.
#[derive(Clone, Copy, Debug)]
pub struct CsvLine {
    delimiter: u8,
}

impl Default for CsvLine {
    fn default() -> Self {
        CsvLine::new()
    }
}

impl CsvLine {
    /// Lines whose fields are separated by commas.
    pub const fn new() -> Self {
        CsvLine { delimiter: b',' }
    }

    /// The same, separated by another character of ASCII, such as `;` or a tab.
    pub const fn delimited_by(self, delimiter: u8) -> Self {
        CsvLine { delimiter }
    }
}

impl<T: Serialize + DeserializeOwned> Serde<T> for CsvLine {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let refused = |error: &dyn std::fmt::Display| SerdeError::new(format!("cannot be written as CSV: {error}"));
        let start = out.len();
        let mut writer = WriterBuilder::new()
            .has_headers(false)
            .delimiter(self.delimiter)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(256)
            .from_writer(&mut *out);
        writer.serialize(value).map_err(|error| refused(&error))?;
        writer.flush().map_err(|error| refused(&error))?;
        drop(writer);
        if out[start..].last() == Some(&b'\n') {
            out.pop();
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .delimiter(self.delimiter)
            .buffer_capacity(bytes.len().clamp(1, 8_192))
            .from_reader(bytes);
        let mut lines = reader.into_deserialize();
        match (lines.next(), lines.next()) {
            (Some(Ok(value)), None) => Ok(value),
            (Some(Err(error)), _) => Err(SerdeError::new(format!("not the line of CSV expected: {error}"))),
            (None, _) => Err(SerdeError::new("found no line of CSV; a record is one")),
            (Some(Ok(_)), Some(_)) => Err(SerdeError::new("found more than one line of CSV; a record is one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{CsvLine, Serde, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Reading {
        sensor: String,
        value: f64,
        note: Option<String>,
    }

    #[test]
    fn a_line_is_a_record() {
        let reading = Reading { sensor: "a,\"b\"\nc".into(), value: -0.5, note: None };
        let mut out = b"> ".to_vec();
        CsvLine::new().encode(&reading, &mut out).unwrap();
        assert_eq!(out, b"> \"a,\"\"b\"\"\nc\",-0.5,");
        assert_eq!(CsvLine::new().decode(&out[2..]), Ok(reading));
        let other = Reading { sensor: "a,b".into(), value: 1.0, note: Some("c".into()) };
        assert_eq!(CsvLine::new().delimited_by(b';').decode(b"a,b;1;c\r\n"), Ok(other));
        assert_eq!(CsvLine::new().decode(b"1,2,3"), Ok((1_u8, 2_i64, "3".to_owned())));
    }

    #[test]
    fn a_line_may_be_one_empty_field_or_end_with_a_line_feed() {
        for text in ["", "\n", "a\n"] {
            let mut out = Vec::new();
            CsvLine::new().encode(&(text.to_owned(),), &mut out).unwrap();
            assert_eq!(CsvLine::new().decode(&out), Ok((text.to_owned(),)), "{out:?}");
        }
    }

    #[test]
    fn what_is_no_such_line_is_told() {
        let error = |bytes: &[u8]| Serde::<Reading>::decode(&CsvLine::new(), bytes).unwrap_err().to_string();
        assert_eq!(error(b""), "found no line of CSV; a record is one");
        assert_eq!(error(b"a,1,b\nc,2,d\n"), "found more than one line of CSV; a record is one");
        assert!(error(b"a,x,b").contains("field 1: invalid float"), "{}", error(b"a,x,b"));
        assert!(error(b"a").starts_with("not the line of CSV expected"));
        assert!(error(b"\xff,1,b").contains("UTF-8"));
    }
}
