//! Writes Rust values of plain shapes by serde's data model, in one pass: structs whose fields are in their record's order, options,
//! lists, maps, enums without values, numbers and texts. Bytes are those that `apache_avro` writes. It is left what is not plain, and
//! to say what is wrong with what cannot be written at all.

use std::fmt;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, NamesRef, RecordField, ResolvedSchema, UuidSchema};
use serde::ser::{self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::compile::{Physical, physical};
use super::walk::write_long;

/// Writes values of one schema.
pub(super) struct PlainWriter {
    schema: &'static Schema,
    names: ResolvedSchema<'static>,
}

impl PlainWriter {
    pub(super) fn new(schema: &'static Schema) -> Result<Self, apache_avro::Error> {
        Ok(PlainWriter { schema, names: ResolvedSchema::new(schema)? })
    }

    /// Appends one value. Where it is not plain, what was appended by then is to be taken away again.
    pub(super) fn write<T: Serialize + ?Sized>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), NotPlain> {
        let names = self.names.get_names();
        value.serialize(Writer { out, schema: self.schema, names }.resolved()?)
    }
}

/// It is not for [`PlainWriter`].
#[derive(Debug)]
pub(super) struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain")
    }
}

impl std::error::Error for NotPlain {}

impl ser::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NotPlain
    }
}

/// Writes one value. Its schema is no reference.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    schema: &'static Schema,
    names: &'a NamesRef<'static>,
}

type Written = Result<(), NotPlain>;

impl Writer<'_> {
    #[inline]
    fn resolved(mut self) -> Result<Self, NotPlain> {
        if let Schema::Ref { name } = self.schema {
            self.schema = self.names.get(name).ok_or(NotPlain)?;
        }
        Ok(self)
    }

    /// The same output, for a value of a part of the schema.
    #[inline]
    fn part(&mut self, schema: &'static Schema) -> Result<Writer<'_>, NotPlain> {
        Writer { out: self.out, schema, names: self.names }.resolved()
    }

    fn int(self, value: i32) -> Written {
        match physical(self.schema) {
            Physical::Int => write_long(value.into(), self.out),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn bytes(self, bytes: &[u8]) {
        write_long(bytes.len() as i64, self.out);
        self.out.extend_from_slice(bytes);
    }

    /// The numbers of null's branch and of the other one, in a union of two, and the other one.
    fn option(&self) -> Result<(i64, i64, &'static Schema), NotPlain> {
        let Schema::Union(of) = self.schema else { return Err(NotPlain) };
        match of.variants() {
            [Schema::Null, other] => Ok((0, 1, other)),
            [other, Schema::Null] => Ok((1, 0, other)),
            _ => Err(NotPlain),
        }
    }
}

macro_rules! left_to_apache_avro {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, NotPlain> {
            Err(NotPlain)
        })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = NotPlain;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Impossible<(), NotPlain>;
    type SerializeTupleStruct = Impossible<(), NotPlain>;
    type SerializeTupleVariant = Impossible<(), NotPlain>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<(), NotPlain>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Written {
        match self.schema {
            Schema::Boolean => self.out.push(value.into()),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Written {
        self.int(value.into())
    }

    fn serialize_i16(self, value: i16) -> Written {
        self.int(value.into())
    }

    fn serialize_i32(self, value: i32) -> Written {
        self.int(value)
    }

    fn serialize_i64(self, value: i64) -> Written {
        match physical(self.schema) {
            Physical::Long => write_long(value, self.out),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Written {
        self.int(value.into())
    }

    fn serialize_u16(self, value: u16) -> Written {
        self.int(value.into())
    }

    fn serialize_u32(self, value: u32) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_f32(self, value: f32) -> Written {
        match self.schema {
            Schema::Float => self.out.extend_from_slice(&value.to_le_bytes()),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Written {
        match self.schema {
            Schema::Double => self.out.extend_from_slice(&value.to_le_bytes()),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Written {
        match self.schema {
            Schema::String | Schema::Uuid(UuidSchema::String) => self.bytes(value.as_bytes()),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        match self.schema {
            Schema::Bytes
            | Schema::BigDecimal
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
            | Schema::Uuid(UuidSchema::Bytes) => self.bytes(value),
            _ => return Err(NotPlain),
        }
        Ok(())
    }

    fn serialize_none(self) -> Written {
        write_long(self.option()?.0, self.out);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        let (_, number, schema) = self.option()?;
        write_long(number, self.out);
        value.serialize(Writer { schema, ..self }.resolved()?)
    }

    fn serialize_unit(self) -> Written {
        if matches!(self.schema, Schema::Null) { Ok(()) } else { Err(NotPlain) }
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, variant: &'static str) -> Written {
        match self.schema {
            Schema::Enum(of) if of.symbols.get(index as usize).is_some_and(|symbol| symbol == variant) => {
                write_long(index.into(), self.out);
                Ok(())
            }
            _ => Err(NotPlain),
        }
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Items<'a>, NotPlain> {
        match self.schema {
            Schema::Array(of) => Items::new(self, &of.items, count),
            _ => Err(NotPlain),
        }
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Items<'a>, NotPlain> {
        match self.schema {
            Schema::Map(of) => Items::new(self, &of.types, count),
            _ => Err(NotPlain),
        }
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, NotPlain> {
        match self.schema {
            Schema::Record(of) => Ok(Fields { writer: self, left: &of.fields }),
            _ => Err(NotPlain),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Written {
        Err(NotPlain)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        Err(NotPlain)
    }

    left_to_apache_avro! {
        serialize_i128(i128) -> ();
        serialize_u64(u64) -> ();
        serialize_u128(u128) -> ();
        serialize_char(char) -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// The items of an array or a map, in one block.
struct Items<'a> {
    writer: Writer<'a>,
    item: &'static Schema,
}

impl<'a> Items<'a> {
    fn new(writer: Writer<'a>, item: &'static Schema, count: Option<usize>) -> Result<Self, NotPlain> {
        let count = count.ok_or(NotPlain)?;
        if count > 0 {
            write_long(count as i64, writer.out);
        }
        Ok(Items { writer, item })
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Written {
        item.serialize(self.writer.part(self.item)?)
    }

    fn end(self) -> Written {
        self.writer.out.push(0);
        Ok(())
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        Items::end(self)
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        key.serialize(self.writer.part(&Schema::String)?)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.item(value)
    }

    fn end(self) -> Written {
        Items::end(self)
    }
}

/// The fields of a record, in its order.
struct Fields<'a> {
    writer: Writer<'a>,
    left: &'static [RecordField],
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = NotPlain;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        match self.left {
            [field, left @ ..] if field.name == name => {
                self.left = left;
                value.serialize(self.writer.part(&field.schema)?)
            }
            _ => Err(NotPlain),
        }
    }

    fn skip_field(&mut self, _: &'static str) -> Written {
        Err(NotPlain)
    }

    fn end(self) -> Written {
        if self.left.is_empty() { Ok(()) } else { Err(NotPlain) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use crate::avro::AvroSchema;

    const ALL: &str = r#"{"type":"record","name":"All","fields":[
        {"name":"a","type":"boolean"},{"name":"b","type":"int"},{"name":"c","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"d","type":"float"},{"name":"e","type":"double"},{"name":"f","type":"string"},
        {"name":"g","type":{"type":"array","items":["long","null"]}},{"name":"h","type":{"type":"map","values":"All2"}},
        {"name":"i","type":["null",{"type":"enum","name":"E","symbols":["X","Y"]}]},
        {"name":"j","type":["null","All"]},{"name":"k","type":"null"},{"name":"l","type":"int"}]}"#;

    #[derive(Serialize, Clone)]
    struct All {
        a: bool,
        b: i16,
        c: i64,
        d: f32,
        e: f64,
        f: String,
        g: Vec<Option<u32>>,
        h: BTreeMap<String, Inner>,
        i: Option<E>,
        j: Option<Box<All>>,
        k: (),
        l: u8,
    }

    #[derive(Serialize, Clone)]
    struct Inner {
        x: i32,
    }

    #[derive(Serialize, Clone)]
    enum E {
        X,
        Y,
    }

    fn all() -> All {
        let h = [("one".to_owned(), Inner { x: -7 }), (String::new(), Inner { x: i32::MIN })].into();
        let g = vec![Some(u32::MAX), None, Some(0)];
        All {
            a: true, b: -3, c: i64::MIN, d: 0.1, e: -0.1, f: "ä".into(), g, h, i: Some(E::Y), j: None, k: (), l: 255
        }
    }

    fn written<T: Serialize>(schema: &str, value: &T) -> (Option<Vec<u8>>, Result<Vec<u8>, String>) {
        let prepared = AvroSchema::parse(schema).unwrap().prepared();
        let mut plain = Vec::new();
        let plain = prepared.plain.write(value, &mut plain).is_ok().then_some(plain);
        (plain, prepared.writer.write_ser_to_vec(value).map_err(|error| error.to_string()))
    }

    #[test]
    fn plain_values_are_written_as_apache_avro_writes_them() {
        let inner = r#"{"type":"record","name":"All2","fields":[{"name":"x","type":"int"}]}"#;
        let schema = ALL.replacen("\"All2\"", inner, 1);
        let empty = All { g: Vec::new(), h: BTreeMap::new(), i: Some(E::X), ..all() };
        let nested = All { i: None, j: Some(Box::new(all())), ..all() };
        for value in [all(), empty, nested] {
            let (plain, expected) = written(&schema, &value);
            assert_eq!(plain, Some(expected.unwrap()));
        }
    }

    #[test]
    fn what_is_not_plain_is_left() {
        let of_x = r#"{"type":"record","name":"R","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}"#;
        #[derive(Serialize)]
        struct Reversed {
            y: i32,
            x: i32,
        }
        let (plain, expected) = written(of_x, &Reversed { y: 1, x: 2 });
        assert_eq!((plain, expected), (None, Ok(vec![4, 2])));
        // One that lacks a field, a text for a number, a number for a union that is no option.
        assert!(matches!(written(of_x, &Inner { x: 1 }), (None, Err(_))));
        assert!(matches!(written("\"int\"", &"x"), (None, Err(_))));
        assert!(matches!(written("[\"string\",\"long\"]", &7_i64), (None, Ok(_))));
    }
}
