//! Reads Rust values by serde's data model, within the bounds that a plan holds: what `apache_avro` writes of a type is read as it
//! reads it. But texts and bytes are lent, numbers are read into whatever type has room for them, and a struct may have another
//! name than its record.

use std::fmt;

use apache_avro::schema::{NamesRef, RecordSchema, ResolvedSchema, UuidSchema};
use apache_avro::{Schema, Uuid};
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::compile::{Physical, physical};
use super::schema::kind_of;
use super::walk::{DEEP_MAX, Input, Walked, deeper};

/// Reads values of one schema.
pub(super) struct TypedReader {
    schema: &'static Schema,
    names: ResolvedSchema<'static>,
}

impl TypedReader {
    pub(super) fn new(schema: &'static Schema) -> Result<Self, apache_avro::Error> {
        Ok(TypedReader { schema, names: ResolvedSchema::new(schema)? })
    }

    /// Reads one value, and moves `bytes` behind it.
    pub(super) fn read<T: DeserializeOwned>(&self, bytes: &mut &[u8]) -> Result<T, TypedError> {
        let all: &[u8] = bytes;
        let mut input = Input::new(all);
        let names = self.names.get_names();
        let value =
            T::deserialize(Reader { input: &mut input, schema: self.schema, names, deep: DEEP_MAX }.resolved()?)?;
        *bytes = &bytes[all.len() - input.rest().len()..];
        Ok(value)
    }
}

/// Why a value is not one of the Rust type.
#[derive(Debug)]
pub(super) struct TypedError(String);

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TypedError {}

impl Error for TypedError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        TypedError(message.to_string())
    }
}

impl From<String> for TypedError {
    fn from(message: String) -> Self {
        TypedError(message)
    }
}

/// Reads one value. Its schema is no reference.
struct Reader<'a, 'de> {
    input: &'a mut Input<'de>,
    schema: &'static Schema,
    names: &'a NamesRef<'static>,
    /// How deep values in it may lie.
    deep: usize,
}

impl<'de> Reader<'_, 'de> {
    #[inline]
    fn resolved(mut self) -> Result<Self, TypedError> {
        self.input.spend(1)?;
        if let Schema::Ref { name } = self.schema {
            let found = self.names.get(name);
            self.schema = found.ok_or_else(|| TypedError(format!("there is no schema named {name}")))?;
        }
        Ok(self)
    }

    /// The same input, for a value of a part of the schema.
    #[inline]
    fn part(&mut self, schema: &'static Schema) -> Result<Reader<'_, 'de>, TypedError> {
        Reader { input: self.input, schema, names: self.names, deep: deeper(self.deep)? }.resolved()
    }

    /// What is in a union; what is none stays.
    fn within(self) -> Result<Self, TypedError> {
        let Schema::Union(of) = self.schema else { return Ok(self) };
        let branch = branch(self.input, of.variants())?.1;
        self.in_its_place(branch)
    }

    /// For what is within and has no bytes of its own.
    fn in_its_place(self, schema: &'static Schema) -> Result<Self, TypedError> {
        Reader { schema, deep: deeper(self.deep)?, ..self }.resolved()
    }

    #[cold]
    fn wrong(&self, expected: &str) -> TypedError {
        TypedError(format!("the schema has {} where the Rust type has {expected}", kind_of(self.schema)))
    }
}

/// The number of a union's branch, and the branch.
fn branch(input: &mut Input<'_>, branches: &'static [Schema]) -> Walked<(u32, &'static Schema)> {
    let number = input.long()?;
    let found = usize::try_from(number).ok().and_then(|number| branches.get(number));
    let found = found.ok_or_else(|| format!("found branch {number} of a union that has {}", branches.len()))?;
    Ok((number as u32, found))
}

fn text<'de>(input: &mut Input<'de>) -> Walked<&'de str> {
    let bytes = input.bytes()?;
    std::str::from_utf8(bytes).map_err(|_| format!("found text of {} bytes that is not UTF-8", bytes.len()))
}

/// `apache_avro` writes integers that are too large for a long as bytes of these names.
fn is_named(schema: &Schema, name: &str) -> bool {
    matches!(schema, Schema::Fixed(of) if of.name.as_ref() == name)
}

macro_rules! as_any {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
            self.deserialize_any(visitor)
        })*
    };
}

/// The usual types, past the question what else the schema might be.
macro_rules! direct {
    ($($method:ident $schema:ident $visit:ident $read:expr;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
            match self.schema {
                Schema::$schema => visitor.$visit($read(self.input)?),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

fn double(input: &mut Input<'_>) -> Walked<f64> {
    input.array().map(f64::from_le_bytes)
}

macro_rules! large {
    ($($method:ident $visit:ident $number:ident $name:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
            let this = self.within()?;
            match is_named(this.schema, $name) {
                true => visitor.$visit($number::from_le_bytes(this.input.array()?)),
                false => this.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = TypedError;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        let mut this = self.within()?;
        match physical(this.schema) {
            Physical::Null => visitor.visit_unit(),
            Physical::Boolean => visitor.visit_bool(this.input.boolean()?),
            Physical::Int => visitor.visit_i32(this.input.int()?),
            Physical::Long => visitor.visit_i64(this.input.long()?),
            Physical::Float => visitor.visit_f32(f32::from_le_bytes(this.input.array()?)),
            Physical::Double => visitor.visit_f64(f64::from_le_bytes(this.input.array()?)),
            Physical::Bytes => visitor.visit_borrowed_bytes(this.input.bytes()?),
            Physical::String => visitor.visit_borrowed_str(text(this.input)?),
            Physical::Fixed(_, size) => visitor.visit_borrowed_bytes(this.input.take(size)?),
            Physical::Enum(of) => {
                let symbol = symbol(this.input, &of.symbols)?;
                visitor.visit_str(symbol)
            }
            Physical::Array(item) => visitor.visit_seq(Blocks::new(this, item)?),
            Physical::Map(value) => visitor.visit_map(Blocks::new(this, value)?),
            Physical::Record(of) if is_tuple(of) => visitor.visit_seq(Fields { reader: &mut this, of, next: 0 }),
            Physical::Record(of) => visitor.visit_map(Fields { reader: &mut this, of, next: 0 }),
            // There is no union in a union.
            Physical::Union(_) => Err(this.wrong("a value")),
        }
    }

    as_any! {
        deserialize_i8 deserialize_i16 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_f32 deserialize_char
        deserialize_unit deserialize_ignored_any deserialize_identifier
    }

    direct! {
        deserialize_bool Boolean visit_bool Input::boolean;
        deserialize_i32 Int visit_i32 Input::int;
        deserialize_i64 Long visit_i64 Input::long;
        deserialize_f64 Double visit_f64 double;
        deserialize_str String visit_borrowed_str text;
        deserialize_string String visit_borrowed_str text;
    }

    large! {
        deserialize_u64 visit_u64 u64 "org.apache.avro.rust.u64"
        deserialize_u128 visit_u128 u128 "org.apache.avro.rust.u128"
        deserialize_i128 visit_i128 i128 "org.apache.avro.rust.i128"
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        let this = self.within()?;
        match this.schema {
            // As bytes a UUID has 16, however it is written.
            Schema::Uuid(UuidSchema::String) => {
                let uuid = Uuid::parse_str(text(this.input)?).map_err(|error| TypedError(error.to_string()))?;
                visitor.visit_bytes(uuid.as_bytes())
            }
            _ => this.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, TypedError> {
        let Schema::Union(of) = self.schema else {
            return match self.schema {
                Schema::Null => visitor.visit_none(),
                _ => visitor.visit_some(self),
            };
        };
        let before = self.input.position();
        let (_, found) = branch(self.input, of.variants())?;
        match found {
            Schema::Null => visitor.visit_none(),
            _ if of.variants().len() == 2 => visitor.visit_some(self.part(found)?),
            // What is one of the others has a number of its own.
            _ => {
                self.input.go_back_to(before);
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TypedError> {
        let this = self.within()?;
        match this.schema {
            Schema::Null => visitor.visit_unit(),
            Schema::Record(of) if of.fields.is_empty() => visitor.visit_unit(),
            _ => Err(this.wrong("a struct without fields")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        // Else the schema, be it a union, is that of what is within.
        if let Schema::Record(of) = self.schema
            && of.name.name() == name
            && let [field] = of.fields.as_slice()
        {
            return visitor.visit_newtype_struct(self.in_its_place(&field.schema)?);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        let mut this = self.within()?;
        match this.schema {
            Schema::Array(of) => visitor.visit_seq(Blocks::new(this, &of.items)?),
            Schema::Record(of) => visitor.visit_seq(Fields { reader: &mut this, of, next: 0 }),
            _ => Err(this.wrong("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, TypedError> {
        match len {
            0 => self.deserialize_unit(visitor),
            1 => visitor.visit_seq(One(Some(&mut self))),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        let mut this = self.within()?;
        match this.schema {
            Schema::Map(of) => visitor.visit_map(Blocks::new(this, &of.types)?),
            Schema::Record(of) => visitor.visit_map(Fields { reader: &mut this, of, next: 0 }),
            _ => Err(this.wrong("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.schema {
            // Where the fields are the same ones in the same order, none needs to be looked for by its name.
            Schema::Record(of) if of.fields.iter().map(|field| &*field.name).eq(fields.iter().copied()) => {
                let mut this = self;
                visitor.visit_seq(Fields { reader: &mut this, of, next: 0 })
            }
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.schema {
            Schema::Enum(of) => visitor.visit_enum(StrDeserializer::new(symbol(self.input, &of.symbols)?)),
            Schema::String => visitor.visit_enum(BorrowedStrDeserializer::new(text(self.input)?)),
            Schema::Union(of) => {
                let (number, found) = branch(self.input, of.variants())?;
                let reader = self.in_its_place(found)?;
                visitor.visit_enum(Variant { number, reader })
            }
            _ => Err(self.wrong("an enum")),
        }
    }
}

fn symbol(input: &mut Input<'_>, symbols: &'static [String]) -> Walked<&'static str> {
    let index = input.int()?;
    let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
    symbol.map(String::as_str).ok_or_else(|| format!("found symbol {index} of an enum that has {}", symbols.len()))
}

/// Whether it stands for a tuple: what reads any value cannot tell otherwise.
fn is_tuple(of: &RecordSchema) -> bool {
    of.attributes.get("org.apache.avro.rust.tuple") == Some(&serde_json::Value::Bool(true))
}

/// A tuple of one, which is written as what is in it.
struct One<'r, 'a, 'de>(Option<&'r mut Reader<'a, 'de>>);

impl<'de> SeqAccess<'de> for One<'_, '_, 'de> {
    type Error = TypedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypedError> {
        let Some(reader) = self.0.take() else { return Ok(None) };
        let schema = reader.schema;
        seed.deserialize(reader.part(schema)?).map(Some)
    }
}

/// The items of an array or a map.
struct Blocks<'a, 'de> {
    reader: Reader<'a, 'de>,
    item: &'static Schema,
    /// How many are left of the block; none after the last block.
    left: i64,
}

impl<'a, 'de> Blocks<'a, 'de> {
    fn new(reader: Reader<'a, 'de>, item: &'static Schema) -> Result<Self, TypedError> {
        let left = reader.input.block()?;
        Ok(Blocks { reader, item, left })
    }

    fn item<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TypedError> {
        let value = seed.deserialize(self.reader.part(self.item)?)?;
        self.left -= 1;
        if self.left == 0 {
            self.left = self.reader.input.block()?;
        }
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for Blocks<'_, 'de> {
    type Error = TypedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypedError> {
        if self.left == 0 { Ok(None) } else { self.item(seed).map(Some) }
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

impl<'de> MapAccess<'de> for Blocks<'_, 'de> {
    type Error = TypedError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypedError> {
        if self.left == 0 {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(text(self.reader.input)?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypedError> {
        self.item(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

/// The fields of a record.
struct Fields<'r, 'a, 'de> {
    reader: &'r mut Reader<'a, 'de>,
    of: &'static RecordSchema,
    next: usize,
}

impl<'de> Fields<'_, '_, 'de> {
    fn value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TypedError> {
        let field = &self.of.fields[self.next];
        self.next += 1;
        let value = seed.deserialize(self.reader.part(&field.schema)?);
        value.map_err(|error| TypedError(format!("{}.{}: {error}", self.of.name.name(), field.name)))
    }
}

impl<'de> MapAccess<'de> for Fields<'_, '_, 'de> {
    type Error = TypedError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypedError> {
        let Some(field) = self.of.fields.get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(&field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypedError> {
        self.value(seed)
    }
}

impl<'de> SeqAccess<'de> for Fields<'_, '_, 'de> {
    type Error = TypedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypedError> {
        if self.next == self.of.fields.len() { Ok(None) } else { self.value(seed).map(Some) }
    }
}

/// A branch of a union as a variant of an enum, by its number.
struct Variant<'a, 'de> {
    number: u32,
    reader: Reader<'a, 'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = TypedError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), TypedError> {
        let number: U32Deserializer<TypedError> = self.number.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = TypedError;

    fn unit_variant(self) -> Result<(), TypedError> {
        match self.reader.schema {
            Schema::Null => Ok(()),
            Schema::Record(of) if of.fields.is_empty() => Ok(()),
            _ => Err(self.reader.wrong("a variant without value")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, TypedError> {
        let union = "org.apache.avro.rust.union_of_records";
        if let Schema::Record(of) = self.reader.schema
            && let [field] = of.fields.as_slice()
            && of.attributes.get(union) == Some(&serde_json::Value::Bool(true))
        {
            return seed.deserialize(self.reader.in_its_place(&field.schema)?);
        }
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, TypedError> {
        self.reader.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, TypedError> {
        self.reader.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Pair {
        second: i64,
        first: i64,
    }

    #[test]
    fn fields_in_another_order_are_found_by_their_names() {
        let text = r#"{"type": "record", "name": "Pair", "fields": [
            {"name": "first", "type": "long"}, {"name": "second", "type": "long"}]}"#;
        let schema = Box::leak(Box::new(Schema::parse_str(text).unwrap()));
        let pair: Pair = TypedReader::new(schema).unwrap().read(&mut &[2, 4][..]).unwrap();
        assert_eq!(pair, Pair { first: 1, second: 2 });
    }
}
