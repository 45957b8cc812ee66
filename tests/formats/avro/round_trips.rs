use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use millstream::serde::Serde;
use millstream_formats::avro::{AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::Registry;
use serde_json::{Value, json};

use super::generate::Generator;
use crate::python::Python;

const SCHEMAS: usize = 1_000;
/// How many bytes the wire format has in front.
const FRAME: usize = 5;

/// A schema as it was made, with what was written of it here.
struct Case {
    text: String,
    record: AvroRecord,
    bytes: Vec<u8>,
}

impl Case {
    /// What Python wrote, read here with the frame of this schema.
    fn read(&self, serde: &AvroRecords, body: &str) -> Result<AvroRecord> {
        let framed = [&self.bytes[..FRAME], &BASE64_STANDARD.decode(body)?].concat();
        serde.decode(&framed).with_context(|| format!("{} {framed:?}", self.text))
    }
}

/// Python reads what is written here and writes it again, and what it writes by itself is read and written again here: for each of
/// some thousand schemas, in two runs of one program.
#[test]
fn values_of_a_thousand_schemas_come_back_from_fastavro_and_go_back_to_it() -> Result<()> {
    let Some(python) = Python::find() else { return Ok(()) };
    let seed = rand::random();
    let mut generator = Generator::new(seed);
    // The registry is in memory: its part is shown elsewhere, and takes no time here.
    let serde = AvroRecords::value(&Registry::in_memory(), "generated");
    let mut cases: Vec<Case> = Vec::new();
    while cases.len() < SCHEMAS {
        let (schema, value) = generator.next();
        let text = schema.to_string();
        if cases.iter().any(|case| case.text == text) {
            continue;
        }
        let of_case = || format!("seed {seed}: {text} {value:?}");
        let schema = AvroSchema::parse(&text).with_context(of_case)?;
        let record = AvroRecord::new(schema, value.clone()).with_context(of_case)?;
        let mut bytes = Vec::new();
        serde.encode(&record, &mut bytes).with_context(of_case)?;
        assert_eq!(serde.decode(&bytes).with_context(of_case)?, record, "{}", of_case());
        cases.push(Case { text, record, bytes });
    }

    let of_python = |case: &Case| {
        // A record within itself has no end where Python chooses.
        let is_recursive = case.text.contains("\"next\"");
        json!({"schema": case.text, "bytes": BASE64_STANDARD.encode(&case.bytes[FRAME..]), "generate": !is_recursive})
    };
    let job = json!({"do": "read_and_write", "seed": seed, "cases": cases.iter().map(of_python).collect::<Vec<_>>()});
    let answer = python.run("avro_round_trips.py", &job)?;
    let answers = answer.as_array().context("a list")?;
    assert_eq!(answers.len(), SCHEMAS);
    let mut chosen = Vec::new();
    for (case, answer) in cases.iter().zip(answers) {
        let back = case.read(&serde, answer["back"].as_str().context("bytes")?)?;
        assert_eq!(back, case.record, "seed {seed}: {}", case.text);
        if let Some(theirs) = answer["chosen"].as_str() {
            let mut ours = Vec::new();
            serde.encode(&case.read(&serde, theirs)?, &mut ours)?;
            chosen.push(json!({"schema": case.text, "theirs": theirs, "ours": BASE64_STANDARD.encode(&ours[FRAME..])}));
        }
    }
    assert!(chosen.len() > SCHEMAS / 2, "Python chose {} values", chosen.len());
    let different = python.run("avro_round_trips.py", &json!({"do": "compare", "cases": chosen}))?;
    let different: Vec<&Value> = different
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|index| chosen.get(index.as_u64()? as usize))
        .collect();
    assert!(different.is_empty(), "seed {seed}: {different:?}");
    Ok(())
}
