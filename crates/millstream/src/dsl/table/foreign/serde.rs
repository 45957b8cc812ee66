use std::rc::Rc;
use std::sync::Arc;

use crate::serde::{Serde, SerdeError};

/// What the left table tells the task that has the foreign key: one byte that says what to do, the subscriber, and the left
/// key's bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subscription {
    pub(super) instruction: Instruction,
    pub(super) subscriber: Subscriber,
    pub(super) key: Vec<u8>,
}

/// What to do with a subscription, and when to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Instruction {
    /// The foreign key is another now, whose subscription is answered.
    Delete = 0,
    /// There is no foreign key any more: the joined row goes.
    DeleteAndAnswer = 1,
    /// There was no joined row with this foreign key: an answer is needed only if there is one now.
    AnswerIfThere = 2,
    /// There may be a joined row, which must go if the right table has none: always answered.
    Answer = 3,
}

/// A row of the left table that waits for changes of a row of the right one: one byte that says what follows (1 the hash, 2
/// the partition), then those.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subscriber {
    /// Of the left row's value: an answer to another one is stale. `None` for a row that was deleted.
    pub(super) hash: Option<u128>,
    /// The partition of the left row; `None` if it follows from the key.
    pub(super) partition: Option<i32>,
}

/// What the task that has the foreign key answers: the hash it was told, and the right row as it is written.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) subscriber: Subscriber,
    pub(super) value: Option<Rc<[u8]>>,
}

/// An answer as it is read: one byte that says what follows (1 the hash, 2 the right row), then those.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Response<W> {
    pub(super) hash: Option<u128>,
    pub(super) value: Option<W>,
}

const HASH: u8 = 1;
const PARTITION: u8 = 2;
const VALUE: u8 = 2;

pub(super) struct SubscriptionSerde;

impl Serde<Subscription> for SubscriptionSerde {
    fn encode(&self, value: &Subscription, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.push(value.instruction as u8);
        SubscriberSerde.encode(&value.subscriber, out)?;
        out.extend_from_slice(&value.key);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Subscription, SerdeError> {
        let (instruction, rest) = bytes.split_first().ok_or_else(|| broken(bytes))?;
        let instruction = match instruction {
            0 => Instruction::Delete,
            1 => Instruction::DeleteAndAnswer,
            2 => Instruction::AnswerIfThere,
            3 => Instruction::Answer,
            _ => return Err(broken(bytes)),
        };
        let (subscriber, key) = split_subscriber(rest).ok_or_else(|| broken(bytes))?;
        Ok(Subscription { instruction, subscriber, key: key.to_vec() })
    }
}

pub(super) struct SubscriberSerde;

impl Serde<Subscriber> for SubscriberSerde {
    fn encode(&self, value: &Subscriber, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let Subscriber { hash, partition } = value;
        out.push(if hash.is_some() { HASH } else { 0 } | if partition.is_some() { PARTITION } else { 0 });
        out.extend(hash.iter().flat_map(|hash| hash.to_be_bytes()));
        out.extend(partition.iter().flat_map(|partition| partition.to_be_bytes()));
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Subscriber, SerdeError> {
        match split_subscriber(bytes) {
            Some((subscriber, [])) => Ok(subscriber),
            _ => Err(broken(bytes)),
        }
    }
}

fn split_subscriber(bytes: &[u8]) -> Option<(Subscriber, &[u8])> {
    let (flags, rest) = bytes.split_first()?;
    let (hash, rest) = split_if(flags & HASH != 0, rest)?;
    let (partition, rest) = split_if(flags & PARTITION != 0, rest)?;
    Some((Subscriber { hash: hash.map(u128::from_be_bytes), partition: partition.map(i32::from_be_bytes) }, rest))
}

/// Splits off the first `N` bytes, if they are there to be.
fn split_if<const N: usize>(there: bool, bytes: &[u8]) -> Option<(Option<[u8; N]>, &[u8])> {
    if !there {
        return Some((None, bytes));
    }
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    Some((Some(*first), rest))
}

pub(super) struct AnswerSerde;

impl Serde<Answer> for AnswerSerde {
    fn encode(&self, answer: &Answer, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let (hash, value) = (answer.subscriber.hash, &answer.value);
        out.push(if hash.is_some() { HASH } else { 0 } | if value.is_some() { VALUE } else { 0 });
        out.extend(hash.iter().flat_map(|hash| hash.to_be_bytes()));
        out.extend_from_slice(value.as_deref().unwrap_or_default());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Answer, SerdeError> {
        let (hash, value) = split_answer(bytes).ok_or_else(|| broken(bytes))?;
        Ok(Answer { subscriber: Subscriber { hash, partition: None }, value: value.map(Into::into) })
    }
}

pub(super) struct ResponseSerde<W>(pub(super) Arc<dyn Serde<W>>);

impl<W: 'static> Serde<Response<W>> for ResponseSerde<W> {
    fn check_writable(&self) -> Result<(), SerdeError> {
        self.0.check_writable()
    }

    fn encode(&self, response: &Response<W>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let Response { hash, value } = response;
        out.push(if hash.is_some() { HASH } else { 0 } | if value.is_some() { VALUE } else { 0 });
        out.extend(hash.iter().flat_map(|hash| hash.to_be_bytes()));
        match value {
            Some(value) => self.0.encode(value, out),
            None => Ok(()),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Response<W>, SerdeError> {
        let (hash, value) = split_answer(bytes).ok_or_else(|| broken(bytes))?;
        Ok(Response { hash, value: value.map(|value| self.0.decode(value)).transpose()? })
    }
}

fn split_answer(bytes: &[u8]) -> Option<(Option<u128>, Option<&[u8]>)> {
    let (flags, rest) = bytes.split_first()?;
    let (hash, rest) = split_if(flags & HASH != 0, rest)?;
    Some((hash.map(u128::from_be_bytes), (flags & VALUE != 0).then_some(rest)))
}

fn broken(bytes: &[u8]) -> SerdeError {
    SerdeError::new(format!("{} bytes that are not of a foreign-key join", bytes.len()))
}

/// FNV-1a of 128 bits: the same for each version and machine, as it lies in changelogs.
pub(super) fn hash_of(bytes: &[u8]) -> u128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::serde::Utf8;

    fn bytes_of<T>(serde: &impl Serde<T>, value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        serde.encode(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        for (hash, partition) in [(None, None), (Some(1 << 100), None), (None, Some(7)), (Some(2), Some(0))] {
            let subscriber = Subscriber { hash, partition };
            assert_eq!(SubscriberSerde.decode(&bytes_of(&SubscriberSerde, &subscriber)).unwrap(), subscriber);
            let key = b"left".to_vec();
            let subscription = Subscription { instruction: Instruction::Answer, subscriber, key };
            let bytes = bytes_of(&SubscriptionSerde, &subscription);
            assert_eq!(SubscriptionSerde.decode(&bytes).unwrap(), subscription);
        }
    }

    #[test]
    fn an_answer_is_read_as_a_response() {
        let serde = ResponseSerde(Arc::new(Utf8));
        for (hash, value) in [(None, None), (Some(5), Some("right")), (Some(5), Some("")), (None, Some("x"))] {
            let response = Response { hash, value: value.map(str::to_string) };
            let subscriber = Subscriber { hash, partition: Some(1) };
            let answer = Answer { subscriber, value: value.map(|value| value.as_bytes().into()) };
            let bytes = bytes_of(&AnswerSerde, &answer);
            assert_eq!(bytes, bytes_of(&serde, &response));
            assert_eq!(serde.decode(&bytes).unwrap(), response);
        }
    }

    #[test]
    fn other_bytes_are_an_error() {
        for bytes in [&b""[..], b"\x09\x00", b"\x03\x01short", b"\x00"] {
            assert!(SubscriptionSerde.decode(bytes).is_err(), "{bytes:?}");
        }
        assert!(SubscriberSerde.decode(b"\x00more").is_err());
    }

    /// From the reference implementation's test vectors.
    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash_of(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash_of(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
