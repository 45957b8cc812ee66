use super::compile::compile;
use super::plan::Plan;
use super::schema::{AvroSchema, SchemaError};
use crate::registry::{ById, Registry, SchemaId, frame};
use millstream::serde::SerdeError;

/// The plans of a reader's schema, for each schema that was met.
#[derive(Default)]
pub(super) struct Plans(ById<Result<Planned, String>>);

pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) writer: AvroSchema,
}

impl Plans {
    /// Splits a record, and finds the plan for it: by `reader`, or as it was written.
    pub(super) fn find<'p, 'b>(
        &'p self,
        registry: &Registry,
        reader: Option<AvroSchema>,
        bytes: &'b [u8],
    ) -> Result<(&'p Planned, &'b [u8]), SerdeError> {
        let (id, body) = frame::split(bytes)?;
        let planned = match self.0.get(id) {
            Some(planned) => planned,
            None => self.0.get_or_make(id, || make(registry, reader, id))?,
        };
        let planned = planned.as_ref().map_err(|why| SerdeError::new(why.clone()))?;
        Ok((planned, body))
    }
}

/// What can never be read is kept as such; what the registry cannot say now is not kept.
fn make(registry: &Registry, reader: Option<AvroSchema>, id: SchemaId) -> Result<Result<Planned, String>, SerdeError> {
    let registered = registry.schema(id)?;
    let writer = match AvroSchema::fetched(&registered) {
        Ok(writer) => writer,
        Err(SchemaError::Registry(error)) => return Err(error.into()),
        Err(error) => return Ok(Err(format!("schema {id} of the registry: {error}"))),
    };
    let reader = reader.unwrap_or(writer);
    let plan = compile(writer.schema(), reader.schema())
        .map_err(|why| format!("schema {id} of the registry cannot be read as {}: {why}", reader.name()));
    Ok(plan.map(|plan| Planned { plan, writer }))
}

/// What a value's bytes are in the reader's schema: within bounds, and whole. `read` holds the same bounds as the plan.
pub(super) fn planned<T, E: std::fmt::Display>(
    plan: &Plan,
    body: &[u8],
    read: impl Fn(&mut &[u8]) -> Result<T, E>,
) -> Result<T, SerdeError> {
    if plan.is_identity {
        let mut rest = body;
        if let Ok(value) = read(&mut rest)
            && rest.is_empty()
        {
            return Ok(value);
        }
        // What is wrong with the bytes the plan tells, whatever the type.
    }
    let changed = plan.run(body).map_err(|why| SerdeError::new(format!("not the Avro expected: {why}")))?;
    let mut rest = changed.as_deref().unwrap_or(body);
    let value = read(&mut rest).map_err(|error| SerdeError::new(format!("not the Avro expected: {error}")))?;
    match rest.len() {
        0 => Ok(value),
        left => Err(SerdeError::new(format!("the type leaves {left} bytes of its schema unread"))),
    }
}
