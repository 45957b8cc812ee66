//! Runs a plan over a value's bytes: within bounds, whatever they say.

use super::plan::{Node, NodeId, Plan, RecordPlan, Source, Step};

/// How deep values may lie in others: what decodes them and writes them again takes stack for each level.
pub(super) const DEEP_MAX: usize = 64;
/// How many steps a value may take beside some for each of its bytes. Values that take no bytes, as nulls do, take steps.
const STEPS_MIN: u64 = 65_536;
const STEPS_PER_BYTE: u64 = 16;
/// A step of work stands for so many bytes that are written.
const BYTES_PER_STEP: u64 = 64;

impl Plan {
    /// Checks `bytes`, which are to be one value and nothing else. Returns them as the reader's schema has them; `None` if that
    /// is what they are.
    pub(super) fn run(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut walk = Walk { nodes: &self.nodes, input: Input::new(bytes), out: Vec::new() };
        if !self.is_identity {
            walk.out.reserve(bytes.len() + 32);
        }
        walk.value(self.root, !self.is_identity, DEEP_MAX)?;
        match walk.input.rest().len() {
            0 => Ok((!self.is_identity).then_some(walk.out)),
            left => Err(format!(
                "found {left} bytes behind the value, which ends at byte {}; it was written with another schema than its id says",
                walk.input.at
            )),
        }
    }
}

struct Walk<'a> {
    nodes: &'a [Node],
    input: Input<'a>,
    out: Vec<u8>,
}

impl Walk<'_> {
    /// Passes one value; writes it if it `is_kept`.
    fn value(&mut self, node: NodeId, is_kept: bool, deep: usize) -> Result<(), String> {
        self.spend(1)?;
        let nodes = self.nodes;
        let deeper = || deeper(deep);
        match &nodes[node] {
            Node::Null => Ok(()),
            Node::Boolean => self.input.boolean().map(|value| self.put(&[value.into()], is_kept)),
            Node::Int => self.input.int().map(|value| self.put_long(value.into(), is_kept)),
            Node::Long => self.input.long().map(|value| self.put_long(value, is_kept)),
            Node::Float => self.fixed(4, is_kept),
            Node::Double => self.fixed(8, is_kept),
            Node::IntToFloat => self.input.int().map(|value| self.put(&(value as f32).to_le_bytes(), is_kept)),
            Node::IntToDouble => self.input.int().map(|value| self.put(&f64::from(value).to_le_bytes(), is_kept)),
            Node::LongToFloat => self.input.long().map(|value| self.put(&(value as f32).to_le_bytes(), is_kept)),
            Node::LongToDouble => self.input.long().map(|value| self.put(&(value as f64).to_le_bytes(), is_kept)),
            Node::FloatToDouble => {
                let bytes = self.input.take(4)?;
                let value = f32::from_le_bytes(bytes.try_into().unwrap_or_default());
                self.put(&f64::from(value).to_le_bytes(), is_kept);
                Ok(())
            }
            Node::Bytes => {
                let length = self.input.length()?;
                self.put_long(length as i64, is_kept);
                self.fixed(length, is_kept)
            }
            Node::Fixed(size) => self.fixed(*size, is_kept),
            Node::Enum(symbols) => {
                let index = self.input.int()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                match symbol {
                    Some(Ok(symbol)) => {
                        self.put_long(i64::from(*symbol), is_kept);
                        Ok(())
                    }
                    Some(Err(_)) if !is_kept => Ok(()),
                    Some(Err(why)) => Err(why.clone()),
                    None => Err(format!("found symbol {index} of an enum that has {}", symbols.len())),
                }
            }
            Node::Array(item) => {
                let (item, deep) = (*item, deeper()?);
                self.blocks(is_kept, |walk| walk.value(item, is_kept, deep))
            }
            Node::Map(value) => {
                let (value, deep) = (*value, deeper()?);
                self.blocks(is_kept, |walk| {
                    let length = walk.input.length()?;
                    walk.put_long(length as i64, is_kept);
                    walk.fixed(length, is_kept)?;
                    walk.value(value, is_kept, deep)
                })
            }
            Node::Record(RecordPlan::InOrder(steps)) => {
                let deep = deeper()?;
                steps.iter().try_for_each(|step| self.step(step, is_kept, deep))
            }
            Node::Record(RecordPlan::Shuffled { steps, fields }) => self.shuffled(steps, fields, is_kept, deeper()?),
            Node::Union(branches) => {
                let number = self.input.long()?;
                let branch = usize::try_from(number).ok().and_then(|number| branches.get(number));
                let Some(branch) = branch else {
                    return Err(format!("found branch {number} of a union that has {}", branches.len()));
                };
                self.value(*branch, is_kept, deeper()?)
            }
            Node::IntoUnion(number, branch) => {
                self.put_long(i64::from(*number), is_kept);
                self.value(*branch, is_kept, deep)
            }
            Node::Fails(why) => Err(why.clone()),
        }
    }

    fn step(&mut self, step: &Step, is_kept: bool, deep: usize) -> Result<(), String> {
        match step {
            Step::Read(node) => self.value(*node, is_kept, deep),
            Step::Skip(node) => self.value(*node, false, deep),
            Step::Default(bytes) => {
                self.spend(bytes.len() as u64 / BYTES_PER_STEP)?;
                self.put(bytes, is_kept);
                Ok(())
            }
        }
    }

    /// Writes the fields as they come, and then puts them in order.
    fn shuffled(&mut self, steps: &[Step], fields: &[Source], is_kept: bool, deep: usize) -> Result<(), String> {
        let start = self.out.len();
        let mut ends = Vec::with_capacity(steps.len());
        for step in steps {
            self.step(step, is_kept, deep)?;
            ends.push(self.out.len() - start);
        }
        if !is_kept {
            return Ok(());
        }
        let written = self.out.split_off(start);
        self.spend(written.len() as u64 / BYTES_PER_STEP)?;
        for field in fields {
            match field {
                Source::Step(step) => {
                    let from = if *step == 0 { 0 } else { ends[step - 1] };
                    self.out.extend_from_slice(&written[from..ends[*step]]);
                }
                Source::Default(bytes) => {
                    self.spend(bytes.len() as u64 / BYTES_PER_STEP)?;
                    self.out.extend_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    /// Blocks of items, each with its count in front, up to one of none.
    fn blocks(&mut self, is_kept: bool, mut item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let count = self.input.block()?;
            self.put_long(count, is_kept);
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    fn spend(&mut self, steps: u64) -> Result<(), String> {
        self.input.spend(steps)
    }

    /// Writes the bytes that were taken last.
    fn copy(&mut self, count: usize, is_kept: bool) {
        if is_kept {
            self.out.extend_from_slice(&self.input.bytes[self.input.at - count..self.input.at]);
        }
    }

    fn fixed(&mut self, count: usize, is_kept: bool) -> Result<(), String> {
        self.input.take(count)?;
        self.copy(count, is_kept);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], is_kept: bool) {
        if is_kept {
            self.out.extend_from_slice(bytes);
        }
    }

    fn put_long(&mut self, value: i64, is_kept: bool) {
        if is_kept {
            write_long(value, &mut self.out);
        }
    }
}

/// What was found instead.
pub(super) type Walked<T> = Result<T, String>;

/// How deep what is within a value may lie, that may lie so deep itself.
#[inline]
pub(super) fn deeper(deep: usize) -> Walked<usize> {
    deep.checked_sub(1).ok_or_else(|| format!("found values within values, more than {DEEP_MAX} deep"))
}

/// Bytes, how far they are read, and how much work they may still make.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many more steps may be taken.
    steps: u64,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0, steps: STEPS_MIN + STEPS_PER_BYTE * bytes.len() as u64 }
    }

    /// Takes steps of those that the bytes may make.
    #[inline]
    pub(super) fn spend(&mut self, steps: u64) -> Walked<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(format!(
                "found more values than {} bytes may stand for: too much work for one record",
                self.bytes.len()
            )),
        }
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Walked<bool> {
        match self.bytes.get(self.at) {
            Some(byte @ 0..=1) => {
                self.at += 1;
                Ok(*byte == 1)
            }
            Some(other) => Err(format!("found {other:#04x} at byte {}; a boolean is 0x00 or 0x01", self.at)),
            None => self.take(1).map(|_| false),
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// To a position that it was at.
    pub(super) fn go_back_to(&mut self, position: usize) {
        self.at = self.at.min(position);
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Walked<&'a [u8]> {
        match self.bytes[self.at..].get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(format!("found {} bytes at byte {}; {count} are to be there", self.rest().len(), self.at)),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Walked<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| format!("found {} bytes; {N} are to be there", taken.len()))
    }

    /// Zigzag, seven bits a byte.
    #[inline]
    pub(super) fn long(&mut self) -> Walked<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.at) else {
                return Err(format!("found the end at byte {}; a number is to be there", self.at));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(format!("found a number of more than ten bytes at byte {}", self.at))
    }

    pub(super) fn int(&mut self) -> Walked<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| format!("found {value} at byte {}, which is no int", self.at))
    }

    /// Of what is here.
    pub(super) fn length(&mut self) -> Walked<usize> {
        let (length, left) = (self.long()?, self.bytes.len() - self.at);
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(length),
            _ => Err(format!("found a length of {length} at byte {}; {left} bytes are left", self.at)),
        }
    }

    /// A length, and so many bytes.
    pub(super) fn bytes(&mut self) -> Walked<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// How many items the next block of an array or a map has; none in the last one.
    pub(super) fn block(&mut self) -> Walked<i64> {
        self.spend(1)?;
        let mut count = self.long()?;
        if count < 0 {
            // How many bytes the block has is for who wants to pass it over.
            self.long()?;
            count = count.checked_neg().ok_or_else(|| "found a block of 2^63 items".to_owned())?;
        }
        match count as u64 > self.steps {
            true => Err(format!(
                "found a block of {count} items at byte {}, in a value of {} bytes",
                self.at,
                self.bytes.len()
            )),
            false => Ok(count),
        }
    }
}

/// Appends a number: zigzag, then seven bits a byte.
pub(super) fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
