//! Defaults of fields, from JSON to bytes.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::RecordField;
use serde_json::Value;

use super::compile::{Names, Physical, physical};
use super::walk::write_long;

/// Defaults within defaults, deeper than this, are of a schema that needs itself.
const DEEP_MAX: usize = 64;
/// A default longer than this, in bytes, is of a schema that is made to be large.
const BYTES_MAX: usize = 1024 * 1024;

/// The bytes of a field's default; an error if it has none, or one that does not fit.
pub(super) fn of_field<'s>(field: &'s RecordField, names: &Names<'s>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    append(field, names, DEEP_MAX, &mut out)?;
    Ok(out)
}

fn append<'s>(field: &'s RecordField, names: &Names<'s>, deep: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let Some(default) = &field.default else {
        return Err("it has no default".to_owned());
    };
    write(default, &field.schema, names, deep, out).map_err(|why| format!("its default {default} does not fit: {why}"))
}

fn write<'s>(
    value: &Value,
    schema: &'s Schema,
    names: &Names<'s>,
    deep: usize,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let schema = names.resolved(schema)?;
    let wrong = || format!("found {value}; expected {}", super::schema::kind_of(schema));
    let deeper = deep.checked_sub(1).ok_or("it lies too deep")?;
    if out.len() > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    match physical(schema) {
        Physical::Null => value.is_null().then_some(()).ok_or_else(wrong)?,
        Physical::Boolean => out.push(u8::from(value.as_bool().ok_or_else(wrong)?)),
        Physical::Int => write_long(value.as_i64().filter(|n| i32::try_from(*n).is_ok()).ok_or_else(wrong)?, out),
        Physical::Long => write_long(value.as_i64().ok_or_else(wrong)?, out),
        Physical::Float => out.extend_from_slice(&(value.as_f64().ok_or_else(wrong)? as f32).to_le_bytes()),
        Physical::Double => out.extend_from_slice(&value.as_f64().ok_or_else(wrong)?.to_le_bytes()),
        Physical::String => {
            let text = value.as_str().ok_or_else(wrong)?;
            write_long(text.len() as i64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Physical::Bytes => {
            let bytes = latin1(value).ok_or_else(wrong)?;
            write_long(bytes.len() as i64, out);
            out.extend_from_slice(&bytes);
        }
        Physical::Fixed(_, size) => out.extend(latin1(value).filter(|bytes| bytes.len() == size).ok_or_else(wrong)?),
        Physical::Enum(of) => {
            let symbol = value.as_str().and_then(|text| of.symbols.iter().position(|symbol| symbol == text));
            write_long(symbol.ok_or_else(wrong)? as i64, out);
        }
        Physical::Array(item) => {
            let items = value.as_array().ok_or_else(wrong)?;
            write_count(items.len(), out);
            items.iter().try_for_each(|value| write(value, item, names, deeper, out))?;
            out.push(0);
        }
        Physical::Map(of) => {
            let entries = value.as_object().ok_or_else(wrong)?;
            write_count(entries.len(), out);
            // In one order, whatever serde_json's is.
            for (key, value) in entries.iter().collect::<BTreeMap<_, _>>() {
                write_long(key.len() as i64, out);
                out.extend_from_slice(key.as_bytes());
                write(value, of, names, deeper, out)?;
            }
            out.push(0);
        }
        Physical::Record(of) => {
            let entries = value.as_object().ok_or_else(wrong)?;
            for field in &of.fields {
                match entries.get(&field.name) {
                    Some(value) => write(value, &field.schema, names, deeper, out)?,
                    None => append(field, names, deeper, out).map_err(|why| format!("field {}: {why}", field.name))?,
                }
            }
        }
        // Avro 1.12 takes any branch; before, it had to be the first.
        Physical::Union(branches) => {
            let start = out.len();
            for (number, branch) in branches.iter().enumerate() {
                write_long(number as i64, out);
                if write(value, branch, names, deeper, out).is_ok() {
                    return Ok(());
                }
                out.truncate(start);
            }
            return Err(wrong());
        }
    }
    Ok(())
}

/// Bytes as Avro writes them in JSON: a character for each.
fn latin1(value: &Value) -> Option<Vec<u8>> {
    value.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// A block's count; without items there is no block.
fn write_count(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        write_long(count as i64, out);
    }
}
