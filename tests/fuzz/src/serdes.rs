use millstream::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<(String, f64)>,
    note: Option<String>,
}

/// What every serde reads, it writes so that the same comes back.
pub fn serdes(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice % 14 {
        0 => read::<String>(&Utf8, data),
        1 => read::<Vec<u8>>(&Bytes, data),
        2 => read::<()>(&Unit, data),
        3 => read::<i32>(&Be32, data),
        4 => read::<u64>(&Be64, data),
        5 => read::<u32>(&F32Bits, data),
        6 => read::<u64>(&F64Bits, data),
        7 => read::<Option<String>>(&Nullable(Utf8), data),
        8 => read::<Order>(&Json, data),
        9 => read::<Windowed<String>>(&TimeWindowed::new(Utf8, 1_000), data),
        10 => read::<Windowed<Option<i64>>>(&TimeWindowed::new(Nullable(Be64), i64::MAX), data),
        11 => read::<Windowed<String>>(&SessionWindowed(Utf8), data),
        12 => read::<Windowed<Windowed<Vec<u8>>>>(&SessionWindowed(TimeWindowed::new(Bytes, 0)), data),
        _ => read::<Option<Order>>(&Nullable(Json), data),
    }
}

pub(crate) fn read<T: PartialEq + 'static>(serde: &dyn Serde<T>, data: &[u8]) {
    assert!(serde.partition_bytes(data).len() <= data.len());
    let Ok(value) = serde.decode(data) else { return };
    let mut written = Vec::new();
    // A value of a type that reads more than it writes may be refused.
    if serde.encode(&value, &mut written).is_ok() {
        assert!(serde.decode(&written).is_ok_and(|again| again == value), "what is written does not come back");
    }
}

/// Floats by their bits, as NaN is not itself.
struct F32Bits;
struct F64Bits;

impl Serde<u32> for F32Bits {
    fn encode(&self, value: &u32, out: &mut Vec<u8>) -> Result<(), millstream::serde::SerdeError> {
        F32.encode(&f32::from_bits(*value), out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<u32, millstream::serde::SerdeError> {
        F32.decode(bytes).map(f32::to_bits)
    }
}

impl Serde<u64> for F64Bits {
    fn encode(&self, value: &u64, out: &mut Vec<u8>) -> Result<(), millstream::serde::SerdeError> {
        F64.encode(&f64::from_bits(*value), out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, millstream::serde::SerdeError> {
        F64.decode(bytes).map(f64::to_bits)
    }
}
