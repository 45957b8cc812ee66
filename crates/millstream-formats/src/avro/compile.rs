//! Avro's schema resolution, done once for a pair of schemas: what it says becomes a plan.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::{
    Alias, DecimalSchema, EnumSchema, FixedSchema, InnerDecimalSchema, Name, RecordField, RecordSchema, UuidSchema,
};

use super::default;
use super::plan::{Node, NodeId, Plan, RecordPlan, Source, Step};
use super::schema::kind_of;

/// A plan larger than this is of schemas that were made to have large ones.
const NODES_MAX: usize = 100_000;

/// How a schema is written, without what it means.
pub(super) enum Physical<'s> {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(&'s FixedSchema, usize),
    Enum(&'s EnumSchema),
    Array(&'s Schema),
    Map(&'s Schema),
    Record(&'s RecordSchema),
    Union(&'s [Schema]),
}

/// Of a schema that is no reference.
pub(super) fn physical(schema: &Schema) -> Physical<'_> {
    match schema {
        // Whoever comes here with a reference would fail for its missing name before.
        Schema::Null | Schema::Ref { .. } => Physical::Null,
        Schema::Boolean => Physical::Boolean,
        Schema::Int | Schema::Date | Schema::TimeMillis => Physical::Int,
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Physical::Long,
        Schema::Float => Physical::Float,
        Schema::Double => Physical::Double,
        Schema::Bytes
        | Schema::BigDecimal
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
        | Schema::Uuid(UuidSchema::Bytes) => Physical::Bytes,
        Schema::String | Schema::Uuid(UuidSchema::String) => Physical::String,
        Schema::Fixed(fixed)
        | Schema::Duration(fixed)
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. })
        | Schema::Uuid(UuidSchema::Fixed(fixed)) => Physical::Fixed(fixed, fixed.size),
        Schema::Enum(of) => Physical::Enum(of),
        Schema::Array(of) => Physical::Array(&of.items),
        Schema::Map(of) => Physical::Map(&of.types),
        Schema::Record(of) => Physical::Record(of),
        Schema::Union(of) => Physical::Union(of.variants()),
    }
}

/// The named schemas within a schema.
pub(super) struct Names<'s>(HashMap<String, &'s Schema>);

impl<'s> Names<'s> {
    pub(super) fn of(schema: &'s Schema) -> Self {
        let mut names = Names(HashMap::new());
        names.collect(schema);
        names
    }

    fn collect(&mut self, schema: &'s Schema) {
        if let Schema::Ref { .. } = schema {
            return;
        }
        if let Some(name) = schema.name() {
            self.0.insert(name.fullname(None), schema);
        }
        match physical(schema) {
            Physical::Record(RecordSchema { fields, .. }) => {
                fields.iter().for_each(|field| self.collect(&field.schema))
            }
            Physical::Array(of) | Physical::Map(of) => self.collect(of),
            Physical::Union(branches) => branches.iter().for_each(|branch| self.collect(branch)),
            _ => {}
        }
    }

    /// What a reference refers to; what is none stays.
    pub(super) fn resolved(&self, schema: &'s Schema) -> Result<&'s Schema, String> {
        match schema {
            Schema::Ref { name } => {
                let name = name.fullname(None);
                self.0.get(&name).copied().ok_or_else(|| format!("there is no schema named {name}"))
            }
            other => Ok(other),
        }
    }
}

/// The plan by which what `writer` wrote is read as `reader` has it.
///
/// # Errors
/// Where it cannot be read, whatever the value: with the place in the reader's schema, and both sides.
pub(super) fn compile(writer: &Schema, reader: &Schema) -> Result<Plan, String> {
    let mut compiler = Compiler {
        writer: Names::of(writer),
        reader: Names::of(reader),
        nodes: Vec::new(),
        records: HashMap::new(),
        is_identity: true,
    };
    let root = compiler.resolve(writer, reader)?;
    Ok(Plan { nodes: compiler.nodes, root, is_identity: compiler.is_identity })
}

struct Compiler<'s> {
    writer: Names<'s>,
    reader: Names<'s>,
    nodes: Vec<Node>,
    /// Pairs of records that have a node, so that records within themselves come to an end. The reader's is none where it has
    /// no such field.
    records: HashMap<(String, Option<String>), NodeId>,
    is_identity: bool,
}

impl<'s> Compiler<'s> {
    fn resolve(&mut self, writer: &'s Schema, reader: &'s Schema) -> Result<NodeId, String> {
        let (writer, reader) = (self.writer.resolved(writer)?, self.reader.resolved(reader)?);
        if let Physical::Union(branches) = physical(writer) {
            return self.of_any_branch(branches, reader);
        }
        if let Physical::Union(branches) = physical(reader) {
            self.is_identity = false;
            return self.as_a_branch(writer, branches);
        }
        require_same_meaning(writer, reader)?;
        let changed = |this: &mut Self, node| {
            this.is_identity = false;
            this.node(node)
        };
        match (physical(writer), physical(reader)) {
            (Physical::Null, Physical::Null) => self.node(Node::Null),
            (Physical::Boolean, Physical::Boolean) => self.node(Node::Boolean),
            (Physical::Int, Physical::Int | Physical::Long) => self.node(Node::Int),
            (Physical::Int, Physical::Float) => changed(self, Node::IntToFloat),
            (Physical::Int, Physical::Double) => changed(self, Node::IntToDouble),
            (Physical::Long, Physical::Long) => self.node(Node::Long),
            (Physical::Long, Physical::Float) => changed(self, Node::LongToFloat),
            (Physical::Long, Physical::Double) => changed(self, Node::LongToDouble),
            (Physical::Float, Physical::Float) => self.node(Node::Float),
            (Physical::Float, Physical::Double) => changed(self, Node::FloatToDouble),
            (Physical::Double, Physical::Double) => self.node(Node::Double),
            (Physical::Bytes | Physical::String, Physical::Bytes | Physical::String) => self.node(Node::Bytes),
            (Physical::Fixed(writer, size), Physical::Fixed(reader, read)) => {
                require_name(&writer.name, &reader.name, reader.aliases.as_deref())?;
                if size != read {
                    return Err(format!("{} was written with {size} bytes, and is read with {read}", writer.name));
                }
                self.node(Node::Fixed(size))
            }
            (Physical::Enum(writer), Physical::Enum(reader)) => self.symbols(writer, reader),
            (Physical::Array(writer), Physical::Array(reader)) => {
                let item = self.resolve(writer, reader).map_err(|why| format!("items: {why}"))?;
                self.node(Node::Array(item))
            }
            (Physical::Map(writer), Physical::Map(reader)) => {
                let value = self.resolve(writer, reader).map_err(|why| format!("values: {why}"))?;
                self.node(Node::Map(value))
            }
            (Physical::Record(writer), Physical::Record(reader)) => self.record(writer, reader),
            _ => Err(format!("{} was written, and {} is read", told(writer), told(reader))),
        }
    }

    fn node(&mut self, node: Node) -> Result<NodeId, String> {
        if self.nodes.len() >= NODES_MAX {
            return Err(format!("the schemas have more than {NODES_MAX} parts together"));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Each branch of the writer's is read for itself. One that cannot be read fails when it is met, and not before.
    fn of_any_branch(&mut self, branches: &'s [Schema], reader: &'s Schema) -> Result<NodeId, String> {
        let mut nodes = Vec::with_capacity(branches.len());
        for (number, branch) in branches.iter().enumerate() {
            let branch = self.writer.resolved(branch)?;
            let node = match physical(reader) {
                Physical::Union(of_reader) => self.as_a_branch(branch, of_reader),
                _ => self.resolve(branch, reader),
            };
            let node = node.or_else(|why| self.node(Node::Fails(why)))?;
            // Bytes stay as they are where it is the branch of the same number.
            self.is_identity &= matches!(&self.nodes[node], Node::IntoUnion(into, _) if *into as usize == number);
            nodes.push(node);
        }
        self.node(Node::Union(nodes))
    }

    /// What the writer has becomes a branch of the reader's: the one that is the same, or else the first that can read it.
    fn as_a_branch(&mut self, writer: &'s Schema, branches: &'s [Schema]) -> Result<NodeId, String> {
        let mut found = None;
        for (number, branch) in branches.iter().enumerate() {
            if is_same(writer, self.reader.resolved(branch)?) {
                found = Some((number, self.resolve(writer, branch)?));
                break;
            }
        }
        for (number, branch) in branches.iter().enumerate() {
            if found.is_some() {
                break;
            }
            let (nodes, was_identity) = (self.nodes.len(), self.is_identity);
            match self.resolve(writer, branch) {
                Ok(node) => found = Some((number, node)),
                Err(_) => {
                    self.nodes.truncate(nodes);
                    self.records.retain(|_, node| *node < nodes);
                    self.is_identity = was_identity;
                }
            }
        }
        let Some((number, node)) = found else {
            let names: Vec<String> = branches.iter().map(told).collect();
            return Err(format!("{} was written, and one of {} is read", told(writer), names.join(", ")));
        };
        self.node(Node::IntoUnion(number as u32, node))
    }

    fn symbols(&mut self, writer: &EnumSchema, reader: &EnumSchema) -> Result<NodeId, String> {
        require_name(&writer.name, &reader.name, reader.aliases.as_deref())?;
        let place = |symbol: &String| reader.symbols.iter().position(|known| known == symbol);
        let symbols = writer.symbols.iter().map(|symbol| match (place(symbol), &reader.default) {
            (Some(place), _) => Ok(place as u32),
            (None, Some(default)) => place(default)
                .map(|place| place as u32)
                .ok_or_else(|| format!("enum {}: its default {default} is none of its symbols", reader.name)),
            (None, None) => {
                Err(format!("found {symbol}, which enum {} of the reader does not have, nor a default", reader.name))
            }
        });
        let symbols: Vec<Result<u32, String>> = symbols.collect();
        self.is_identity &=
            symbols.iter().enumerate().all(|(at, symbol)| symbol.as_ref().is_ok_and(|to| *to as usize == at));
        self.node(Node::Enum(symbols))
    }

    fn record(&mut self, writer: &'s RecordSchema, reader: &'s RecordSchema) -> Result<NodeId, String> {
        require_name(&writer.name, &reader.name, reader.aliases.as_deref())?;
        let pair = (writer.name.fullname(None), Some(reader.name.fullname(None)));
        if let Some(node) = self.records.get(&pair) {
            return Ok(*node);
        }
        let node = self.node(Node::Null)?;
        self.records.insert(pair.clone(), node);
        match self.fields(writer, reader) {
            Ok(plan) => self.nodes[node] = Node::Record(plan),
            Err(why) => {
                self.records.remove(&pair);
                return Err(format!("{}: {why}", reader.name));
            }
        }
        Ok(node)
    }

    fn fields(&mut self, writer: &'s RecordSchema, reader: &'s RecordSchema) -> Result<RecordPlan, String> {
        let mut steps = vec![None; writer.fields.len()];
        let mut sources = Vec::with_capacity(reader.fields.len());
        for field in &reader.fields {
            match written_as(field, writer).filter(|at| steps[*at].is_none()) {
                Some(at) => {
                    let node = self.resolve(&writer.fields[at].schema, &field.schema);
                    steps[at] = Some(Step::Read(node.map_err(|why| format!("field {}: {why}", field.name))?));
                    sources.push(Source::Step(at));
                }
                None => {
                    let default = default::of_field(field, &self.reader);
                    let default = default.map_err(|why| format!("field {} was not written, and {why}", field.name))?;
                    sources.push(Source::Default(default.into()));
                }
            }
        }
        for (step, field) in steps.iter_mut().zip(&writer.fields) {
            if step.is_none() {
                *step = Some(Step::Skip(self.skip(&field.schema)?));
            }
        }
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let is_whole = sources.len() == steps.len();
        let is_same = is_whole
            && sources.iter().enumerate().all(|(at, source)| matches!(source, Source::Step(step) if *step == at));
        self.is_identity &= is_same;
        Ok(match in_order(&steps, &sources) {
            Some(steps) => RecordPlan::InOrder(steps),
            None => RecordPlan::Shuffled { steps, fields: sources },
        })
    }

    /// What passes a value that the reader does not have.
    fn skip(&mut self, writer: &'s Schema) -> Result<NodeId, String> {
        let writer = self.writer.resolved(writer)?;
        let node = match physical(writer) {
            Physical::Null => Node::Null,
            Physical::Boolean => Node::Boolean,
            Physical::Int => Node::Int,
            Physical::Long => Node::Long,
            Physical::Float => Node::Float,
            Physical::Double => Node::Double,
            Physical::Bytes | Physical::String => Node::Bytes,
            Physical::Fixed(_, size) => Node::Fixed(size),
            Physical::Enum(of) => Node::Enum((0..of.symbols.len() as u32).map(Ok).collect()),
            Physical::Array(item) => Node::Array(self.skip(item)?),
            Physical::Map(value) => Node::Map(self.skip(value)?),
            Physical::Union(branches) => {
                Node::Union(branches.iter().map(|branch| self.skip(branch)).collect::<Result<_, _>>()?)
            }
            Physical::Record(of) => {
                let pair = (of.name.fullname(None), None);
                if let Some(node) = self.records.get(&pair) {
                    return Ok(*node);
                }
                let node = self.node(Node::Null)?;
                self.records.insert(pair, node);
                let steps = of.fields.iter().map(|field| Ok(Step::Skip(self.skip(&field.schema)?)));
                let steps = steps.collect::<Result<_, String>>()?;
                self.nodes[node] = Node::Record(RecordPlan::InOrder(steps));
                return Ok(node);
            }
        };
        self.node(node)
    }
}

/// The steps with the reader's defaults among them, if its fields come in the writer's order.
fn in_order(steps: &[Step], sources: &[Source]) -> Option<Vec<Step>> {
    let (mut ordered, mut next) = (Vec::new(), 0);
    for source in sources {
        match source {
            Source::Default(bytes) => ordered.push(Step::Default(Arc::clone(bytes))),
            Source::Step(at) if *at >= next => {
                ordered.extend_from_slice(&steps[next..=*at]);
                next = at + 1;
            }
            Source::Step(_) => return None,
        }
    }
    ordered.extend_from_slice(&steps[next..]);
    Some(ordered)
}

/// Which of the writer's fields is the reader's field, by its name or one of its aliases.
fn written_as(field: &RecordField, writer: &RecordSchema) -> Option<usize> {
    let named = |name: &String| writer.fields.iter().position(|written| written.name == *name);
    named(&field.name).or_else(|| field.aliases.iter().find_map(named))
}

/// Whether what was written has the reader's name, or one that is an alias there. Namespaces may differ.
fn has_name(writer: &Name, reader: &Name, aliases: Option<&[Alias]>) -> bool {
    let full = writer.fullname(None);
    let namespace = reader.namespace();
    let is_alias = |alias: &Alias| alias.fullname(namespace) == full || alias.fullname(None) == full;
    writer.name() == reader.name() || aliases.unwrap_or_default().iter().any(is_alias)
}

fn require_name(writer: &Name, reader: &Name, aliases: Option<&[Alias]>) -> Result<(), String> {
    match has_name(writer, reader, aliases) {
        true => Ok(()),
        false => Err(format!(
            "{writer} was written, and {reader} is read; if they are the same, give the reader's the alias {writer}"
        )),
    }
}

/// Whether two schemas that are no references are of one type, and for named ones of one name.
fn is_same(writer: &Schema, reader: &Schema) -> bool {
    kind_of(writer) == kind_of(reader)
        && match (writer.name(), reader.name()) {
            (Some(writer), Some(reader_name)) => {
                writer.fullname(None) == reader_name.fullname(None)
                    || has_name(writer, reader_name, reader.aliases().map(Vec::as_slice))
                        && writer.name() != reader_name.name()
            }
            (None, None) => true,
            _ => false,
        }
}

/// Numbers that mean different things are not read as one another, though they are written alike: a timestamp in ms as one in µs,
/// a decimal with another scale.
fn require_same_meaning(writer: &Schema, reader: &Schema) -> Result<(), String> {
    let differ = match (writer, reader) {
        (Schema::Decimal(writer), Schema::Decimal(reader)) => writer.scale != reader.scale,
        _ => is_time(writer) && is_time(reader) && kind_of(writer) != kind_of(reader),
    };
    match differ {
        true => Err(format!("{} was written, and {} is read: they mean different numbers", told(writer), told(reader))),
        false => Ok(()),
    }
}

fn is_time(schema: &Schema) -> bool {
    let kind = kind_of(schema);
    ["date", "time", "timestamp", "local"].contains(&kind.split('-').next().unwrap_or(kind))
}

fn told(schema: &Schema) -> String {
    match schema {
        Schema::Decimal(DecimalSchema { precision, scale, .. }) => format!("decimal({precision}, {scale})"),
        Schema::Ref { name } => name.fullname(None),
        other => match other.name() {
            Some(name) => format!("{} {}", kind_of(other), name.fullname(None)),
            None => kind_of(other).to_owned(),
        },
    }
}
