use std::sync::LazyLock;

use apache_avro::types::Value;

use super::compile::compile;
use super::plan::Plan;
use super::reader::planned;
use super::schema::{AvroSchema, parsed};

/// Schemas with all that Avro has; each is read as itself and as each of the others.
const SCHEMAS: [&str; 6] = [
    r#"{"type":"record","name":"All","fields":[
        {"name":"a","type":"boolean"},{"name":"b","type":["null","int","string",{"type":"array","items":"All"}]},
        {"name":"c","type":{"type":"map","values":"double"}},{"name":"d","type":{"type":"enum","name":"E","symbols":["X","Y"]}},
        {"name":"e","type":{"type":"fixed","name":"F","size":3}},{"name":"f","type":"bytes"},
        {"name":"g","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"h","type":{"type":"string","logicalType":"uuid"}},{"name":"i","type":"null"}]}"#,
    r#"{"type":"record","name":"All","fields":[
        {"name":"i","type":"null"},{"name":"new","type":{"type":"array","items":"int"},"default":[1,2,3]},
        {"name":"d","type":{"type":"enum","name":"E","symbols":["Z","Y"],"default":"Z"}},
        {"name":"b","type":["string","long",{"type":"array","items":"All"}]},{"name":"f","type":"string"}]}"#,
    r#"{"type":"array","items":"null"}"#,
    r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]},{"name":"v","type":"long"}]}"#,
    r#"{"type":"map","values":{"type":"long","logicalType":"timestamp-millis"}}"#,
    r#"["null","float",{"type":"bytes","logicalType":"big-decimal"}]"#,
];

static PAIRS: LazyLock<Vec<(AvroSchema, Plan)>> = LazyLock::new(|| {
    let schemas: Vec<AvroSchema> = SCHEMAS.iter().filter_map(|text| AvroSchema::parse(text).ok()).collect();
    assert_eq!(schemas.len(), SCHEMAS.len());
    let pairs = schemas.iter().flat_map(|writer| schemas.iter().map(move |reader| (writer, reader)));
    pairs.filter_map(|(writer, reader)| Some((*reader, compile(writer.schema(), reader.schema()).ok()?))).collect()
});

/// A schema, as text; or a value of one of some, read by one of some: what is read is written so that the same comes back.
pub fn avro(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    if *choice == 255 {
        if let Ok(schema) = parsed(&String::from_utf8_lossy(body), &[])
            && let Ok(plan) = compile(&schema, &schema)
        {
            let _ = plan.run(body);
        }
        return;
    }
    let (reader, plan) = &PAIRS[usize::from(*choice) % PAIRS.len()];
    let prepared = reader.prepared();
    if plan.is_identity {
        holds_the_bounds_of(plan, body, |rest| prepared.typed.read::<serde::de::IgnoredAny>(rest).is_ok());
        holds_the_bounds_of(plan, body, |rest| prepared.values.read(rest).is_ok());
    }
    let _ = planned(plan, body, |rest| prepared.typed.read::<serde::de::IgnoredAny>(rest));
    let Ok(value) = planned(plan, body, |rest| prepared.values.read(rest)) else { return };
    let mut written = Vec::new();
    if prepared.writer.write_value_ref(&mut written, &value).is_err() {
        return;
    }
    let again: Result<Value, _> = prepared.values.read(&mut written.as_slice());
    // NaN is not itself; it is the same as text.
    assert_eq!(
        again.map(|value| format!("{value:?}")).map(sorted),
        Ok(sorted(format!("{value:?}"))),
        "does not come back"
    );
}

/// What a reader takes by itself the plan takes.
fn holds_the_bounds_of(plan: &Plan, body: &[u8], read: impl Fn(&mut &[u8]) -> bool) {
    let mut rest = body;
    if read(&mut rest) && rest.is_empty() {
        assert_eq!(plan.run(body), Ok(None), "a reader takes what its plan does not");
    }
}

/// Maps are in any order.
fn sorted(text: String) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}
