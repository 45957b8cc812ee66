use super::{Serde, SerdeError};

macro_rules! big_endian {
    ($(#[$doc:meta])* $name:ident: $($number:ty),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        $(impl Serde<$number> for $name {
            fn encode(&self, value: &$number, out: &mut Vec<u8>) -> Result<(), SerdeError> {
                out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$number, SerdeError> {
                let array = bytes.try_into().map_err(|_| {
                    SerdeError::new(format!(
                        "found {} bytes; expected the {} of a big-endian {}",
                        bytes.len(),
                        size_of::<$number>(),
                        stringify!($number)
                    ))
                })?;
                Ok(<$number>::from_be_bytes(array))
            }
        })+
    };
}

big_endian! {
    /// Four bytes, big-endian, as Kafka's `IntegerSerializer`: `i32`, or `u32`.
    Be32: i32, u32
}
big_endian! {
    /// Eight bytes, big-endian, as Kafka's `LongSerializer`: `i64`, or `u64`.
    Be64: i64, u64
}
big_endian! {
    /// A float of four bytes, big-endian, as Kafka's `FloatSerializer`: `f32`.
    F32: f32
}
big_endian! {
    /// A float of eight bytes, big-endian, as Kafka's `DoubleSerializer`: `f64`.
    F64: f64
}
