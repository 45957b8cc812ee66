//! Some thousand inputs for each target: at random, and pieces of what is right.

use millstream_fuzz::TARGETS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Pieces that lead further than bytes at random.
const PIECES: [&[u8]; 27] = [
    b"a",
    b"\x01\x02\x06\x04\x02a\x02\x00\x00\x02abc\x02x\x02\x07",
    b"\xff{\"type\":\"array\",\"items\":[\"null\",\"long\"]}",
    b"key",
    b"\x00\x00\x00\x00\x00\x00\x00\x01",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"{\"id\":1,\"lines\":[[\"a\",1e308]],\"note\":null}",
    b"http:\n  port: 80\n",
    b"kafka: {properties: {sasl.password: '${env:X}'}}\n",
    b"- &a [*a, ${file:}]\n",
    b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"e30.eyJzdWIiOiJhIiwiZXhwIjoxZTk5fQ.",
    b"\x08\x00\x08\x61\x62\x63\x64\x65\x66\x67\x68",
    b"\na {\"version\":1,\"order\":\"a-\",\"phase\":\"running\",\"workers\":1,\"active\":[{\"task\":\"0_1\",\"positions\":[-1]}]}\n",
    b"\nb {\"version\":1,\"order\":\"b-\",\"phase\":\"leaving\",\"workers\":1,\"standby\":[{\"task\":\"1_9\",\"lag\":7}]}\n",
    b"\x10mlstate1\x00\x01\x00\x00\x00\x01s\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01k\xff\xff\xff\xff\x00\x00",
    b"\x00\x20\x05\x01a\x08\x00\x00\x00\x00\x00\x00\x00\x02",
    b"\x00\x00\x00\x00\x01\x02\x02\x0a\x01a\x12\x04\x10\x03\x1a\x00\x1a\x02\x0a\x00",
    b"{\"id\":\"aaa\",\"n\":0.1,\"list\":[1,\"a\"]}",
    b"message B { repeated B b = 1; map<string, B> m = 2; }",
    b"\x81\xa5Named\x82\xa2at\x07\xa2of\xc0",
    b"a,7\n",
];

fn input(random: &mut StdRng) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.random_range(0..12) {
        match random.random_range(0..4) {
            0 => input.extend_from_slice(PIECES[random.random_range(0..PIECES.len())]),
            1 => input.extend((0..random.random_range(0..24)).map(|_| random.random::<u8>())),
            2 => input.extend((0..random.random_range(0..24)).map(|_| random.random_range(0..12u8))),
            _ => input.push(random.random()),
        }
    }
    input
}

#[test]
fn every_target_takes_some_thousand_inputs() {
    let mut failed = Vec::new();
    // One target alone, as in the harness.
    let only = std::env::var("MILLSTREAM_FUZZ_TARGET").ok();
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        let mut random = StdRng::seed_from_u64(7);
        let inputs = (0..3_000).map(|_| input(&mut random));
        if let Some(input) = inputs.into_iter().find(|input| std::panic::catch_unwind(|| target(input)).is_err()) {
            failed.push(format!("target {name}: {input:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
