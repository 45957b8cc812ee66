//! Which partition a key belongs to: as Kafka's Java client decides, so that joins with topics written by it meet.

/// The partition of a key among `partitions`: murmur2 of its bytes, made positive, modulo the count.
///
/// ```
/// // Kafka's own: Utils.toPositive(Utils.murmur2("21".getBytes())) % 7
/// assert_eq!(millstream::partitioner::partition_of(b"21", 7), 3);
/// ```
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) % partitions as u32) as i32
}

/// The two partitions that a key's records may be in, by partial key grouping: [`partition_of`] and another one, that
/// depends on the key as well; the same one twice where there is only one.
///
/// ```
/// let (first, second) = millstream::partitioner::two_partitions_of(b"21", 7);
/// assert_eq!(first, 3);
/// assert_ne!(second, 3);
/// ```
pub fn two_partitions_of(key: &[u8], partitions: i32) -> (i32, i32) {
    const OTHER_SEED: u32 = 0x1b87_3593;

    let first = partition_of(key, partitions);
    if partitions < 2 {
        return (first, first);
    }
    let further = 1 + murmur2_seeded(key, OTHER_SEED) % (partitions as u32 - 1);
    (first, ((first as u32 + further) % partitions as u32) as i32)
}

/// MurmurHash2 by Austin Appleby, 32 bits, with the seed that Kafka's `Utils.murmur2` uses.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;

    murmur2_seeded(data, SEED)
}

fn murmur2_seeded(data: &[u8], seed: u32) -> u32 {
    const M: u32 = 0x5bd1_e995;

    let mut hash = seed ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::{murmur2, two_partitions_of};

    /// The values of the tests of Kafka's Java client.
    #[test]
    fn equals_the_java_client() {
        let cases: [(&[u8], i32); 6] = [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            (b"abc", 479470107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key) as i32, hash, "{}", String::from_utf8_lossy(key));
        }
    }

    /// The second partition is spread over all others as the first is over all.
    #[test]
    fn the_two_partitions_are_two_and_spread_evenly() {
        for partitions in [2, 3, 8, 12] {
            let mut counts = vec![(0, 0); partitions as usize];
            for key in 0..12_000_u32 {
                let (first, second) = two_partitions_of(&key.to_be_bytes(), partitions);
                assert_ne!(first, second);
                counts[first as usize].0 += 1;
                counts[second as usize].1 += 1;
            }
            let even = 12_000 / partitions;
            for (first, second) in counts {
                assert!((first - even).abs() < even / 5, "{first} of {even}");
                assert!((second - even).abs() < even / 5, "{second} of {even}");
            }
        }
        assert_eq!(two_partitions_of(b"a", 1), (0, 0));
    }
}
