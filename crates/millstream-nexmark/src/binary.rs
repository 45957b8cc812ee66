//! A compact form for keys and values: fields one after the other, without names.

use std::rc::Rc;

use millstream::serde::{Serde, SerdeError};

/// A value that is written by itself: a number as 8 bytes, big-endian; a text or a list as its length in 4 bytes, big-endian, and
/// what it holds; a struct, a tuple or an array as its fields.
pub trait Field: Sized {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes it from the front of `bytes`.
    ///
    /// # Errors
    /// Bytes that are not such a value.
    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError>;
}

/// The serde of all [`Field`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binary;

impl<T: Field + 'static> Serde<T> for Binary {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        value.write(out);
        Ok(())
    }

    fn decode(&self, mut bytes: &[u8]) -> Result<T, SerdeError> {
        let value = T::read(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(value);
        }
        Err(SerdeError::new(format!("found {} bytes behind the last field; expected none", bytes.len())))
    }
}

/// Takes `count` bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], SerdeError> {
    let missing = || SerdeError::new(format!("found {} bytes where a field has {count}", bytes.len()));
    let (taken, rest) = bytes.split_at_checked(count).ok_or_else(missing)?;
    *bytes = rest;
    Ok(taken)
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    // Nothing here is near 4 GiB.
    out.extend_from_slice(&(length as u32).to_be_bytes());
}

fn read_length(bytes: &mut &[u8]) -> Result<usize, SerdeError> {
    let length = take(bytes, 4)?;
    Ok(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

impl Field for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
        let number = take(bytes, 8)?;
        Ok(number.iter().fold(0, |number, byte| number << 8 | i64::from(*byte)))
    }
}

impl Field for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
        let length = read_length(bytes)?;
        let text = take(bytes, length)?;
        match std::str::from_utf8(text) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(SerdeError::new(format!("found a text that is not UTF-8: {error}"))),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        self.iter().for_each(|item| item.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
        let length = read_length(bytes)?;
        (0..length).map(|_| T::read(bytes)).collect()
    }
}

impl<T: Field> Field for Rc<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
        T::read(bytes).map(Rc::new)
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
        match take(bytes, 1)? {
            [0] => Ok(None),
            [1] => T::read(bytes).map(Some),
            found => Err(SerdeError::new(format!("found {found:?}; expected 0 for none or 1 for some"))),
        }
    }
}

macro_rules! tuple {
    ($($name:ident),+) => {
        impl<$($name: Field),+> Field for ($($name,)+) {
            #[allow(non_snake_case)]
            fn write(&self, out: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.write(out);)+
            }

            fn read(bytes: &mut &[u8]) -> Result<Self, SerdeError> {
                Ok(($($name::read(bytes)?,)+))
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);

/// Makes a struct a [`Field`]: its fields in this order.
macro_rules! fields {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::binary::Field for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::binary::Field::write(&self.$field, out);)+
            }

            fn read(bytes: &mut &[u8]) -> Result<Self, millstream::serde::SerdeError> {
                Ok($name { $($field: $crate::binary::Field::read(bytes)?),+ })
            }
        }
    };
}

pub(crate) use fields;

#[cfg(test)]
mod tests {
    use millstream::serde::Serde;

    use super::{Binary, Field};

    fn back<T: Field + PartialEq + std::fmt::Debug + 'static>(value: T) -> Vec<u8> {
        let mut bytes = Vec::new();
        Binary.encode(&value, &mut bytes).unwrap();
        assert_eq!(Serde::<T>::decode(&Binary, &bytes).unwrap(), value);
        for length in 0..bytes.len() {
            assert!(Serde::<T>::decode(&Binary, &bytes[..length]).is_err(), "{value:?} of {length} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Serde::<T>::decode(&Binary, &longer).is_err(), "{value:?} and a byte more");
        bytes
    }

    #[test]
    fn what_is_written_comes_back_and_nothing_else_does() {
        assert_eq!(back(-2_i64), [255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(back("né".to_owned()), [0, 0, 0, 3, b'n', 0xc3, 0xa9]);
        assert_eq!(back(vec![(1_i64, "a".to_owned())]), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, b'a']);
        back(Some(7_i64));
        assert_eq!(back(None::<i64>), [0]);
    }

    #[test]
    fn texts_are_utf8() {
        let error = Serde::<String>::decode(&Binary, &[0, 0, 0, 1, 255]).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
