use millstream::record::{Header, Timestamp};

/// A kind of input, good or bad.
#[derive(Clone)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) topic: &'static str,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: Timestamp,
    pub(super) headers: Vec<Header>,
    /// Whether something comes of it.
    pub(super) is_good: bool,
}

const NOW: Timestamp = 1_700_000_000_000;

fn kind(topic: &'static str, name: impl std::fmt::Display, value: impl Into<Vec<u8>>, is_good: bool) -> Kind {
    let (key, value) = (Some(b"key".to_vec()), Some(value.into()));
    let name = format!("{topic}: {name}");
    Kind { name, topic, key, value, timestamp: NOW, headers: Vec::new(), is_good }
}

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    kinds.extend(texts());
    kinds.extend(numbers());
    kinds.extend(floats());
    kinds.extend(json());
    kinds.extend(framed());
    kinds.extend(poison());
    kinds.extend(sizes());
    kinds.extend(around());
    // Between any two, one that is good: it must come through.
    let between = kinds.iter().enumerate().map(|(n, kind)| good(kind.topic, n)).collect::<Vec<_>>();
    between.into_iter().zip(kinds).flat_map(|(good, kind)| [good, kind]).collect()
}

fn good(topic: &'static str, n: usize) -> Kind {
    let value = match topic {
        "texts" => b"good".to_vec(),
        "numbers" => 5_i64.to_be_bytes().to_vec(),
        "floats" => 0.5_f64.to_be_bytes().to_vec(),
        "json" => br#"{"id": 1, "amount": 2.5, "tags": []}"#.to_vec(),
        _ => frame(4, b"good"),
    };
    kind(topic, format!("good {n}"), value, true)
}

/// Bytes as UTF-8: what must not be, and what looks odd and may.
fn texts() -> Vec<Kind> {
    let bad: [(&str, &[u8]); 14] = [
        ("lone continuation", b"\x80"),
        ("two continuations", b"a\xbf\xbfb"),
        ("truncated of 2", b"abc\xc3"),
        ("truncated of 3", b"\xe2\x82"),
        ("truncated of 4", b"\xf0\x9f\x98"),
        ("overlong slash", b"\xc0\xaf"),
        ("overlong null", b"\xc0\x80"),
        ("overlong of 3", b"\xe0\x80\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
        ("surrogate pair", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("beyond unicode", b"\xf4\x90\x80\x80"),
        ("fe", b"\xfe"),
        ("utf-16 with mark", b"\xff\xfea\0"),
        ("latin 1", b"gr\xfc\xdfe"),
    ];
    let odd = [
        "",
        "\u{0}",
        "\u{feff}mark",
        "\u{202e}back",
        "e\u{301}",
        "👩‍👩‍👧",
        "\r\n\t",
        "\u{10ffff}",
        "' OR 1=1 --",
        "%s%n${x}",
    ];
    let bad = bad.iter().map(|(name, bytes)| kind("texts", name, *bytes, false));
    bad.chain(odd.iter().map(|text| kind("texts", format!("odd {text:?}"), *text, true))).collect()
}

fn numbers() -> Vec<Kind> {
    let lengths = [0_usize, 1, 2, 3, 4, 7, 9, 16, 1000];
    let lengths = lengths.iter().map(|length| kind("numbers", format!("{length} bytes"), vec![1; *length], false));
    let values = [i64::MIN, i64::MAX, -1, 1];
    let values = values.iter().map(|n| kind("numbers", n, n.to_be_bytes(), true));
    let zero = kind("numbers", "zero, which is divided by", 0_i64.to_be_bytes(), false);
    lengths.chain(values).chain([zero]).collect()
}

fn floats() -> Vec<Kind> {
    let values = [
        ("nan", f64::NAN, false),
        ("negative nan", -f64::NAN, false),
        ("nan with payload", f64::from_bits(0x7ff8_dead_beef_0001), false),
        ("signalling nan", f64::from_bits(0x7ff0_0000_0000_0001), false),
        ("infinity", f64::INFINITY, false),
        ("minus infinity", f64::NEG_INFINITY, false),
        ("minus zero", -0.0, true),
        ("smallest", f64::from_bits(1), true),
        ("largest", f64::MAX, true),
    ];
    let values = values.iter().map(|(name, value, is_good)| kind("floats", name, value.to_be_bytes(), *is_good));
    values.chain([0_usize, 4, 7, 9].iter().map(|n| kind("floats", format!("{n} bytes"), vec![0; *n], false))).collect()
}

fn json() -> Vec<Kind> {
    let whole = r#"{"id": 7, "amount": 1.5, "tags": ["a", "b"]}"#;
    let truncated = [1, 5, 9, 20, 30, 40, whole.len() - 1];
    let mut kinds: Vec<Kind> = truncated
        .iter()
        .map(|at| kind("json", format!("truncated at {at}"), &whole.as_bytes()[..*at], false))
        .collect();
    let deep = |open: &str, close: &str| {
        format!(r#"{{"id": 1, "amount": 1, "tags": [], "more": {}{}}}"#, open.repeat(100_000), close.repeat(100_000))
    };
    let bad: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("blank", "  \n".into()),
        ("null", "null".into()),
        ("a list", "[1, 2]".into()),
        ("a text", r#""order""#.into()),
        ("no quotes", "{id: 7}".into()),
        ("single quotes", "{'id': 7}".into()),
        ("comma at the end", r#"{"id": 7, "amount": 1.5, "tags": [],}"#.into()),
        ("comment", r#"{"id": 7, /* no */ "amount": 1.5, "tags": []}"#.into()),
        ("rest", format!("{whole} x")),
        ("twice", format!("{whole}{whole}")),
        ("mark first", format!("\u{feff}{whole}")),
        ("missing field", r#"{"id": 7, "amount": 1.5}"#.into()),
        ("field twice", r#"{"id": 7, "id": 8, "amount": 1.5, "tags": []}"#.into()),
        ("text for a number", r#"{"id": "7", "amount": 1.5, "tags": []}"#.into()),
        ("number for a list", r#"{"id": 7, "amount": 1.5, "tags": 3}"#.into()),
        ("null for a number", r#"{"id": null, "amount": 1.5, "tags": []}"#.into()),
        ("fraction for an id", r#"{"id": 7.5, "amount": 1.5, "tags": []}"#.into()),
        ("negative id", r#"{"id": -7, "amount": 1.5, "tags": []}"#.into()),
        ("huge id", r#"{"id": 99999999999, "amount": 1.5, "tags": []}"#.into()),
        ("id beyond all", format!(r#"{{"id": {}, "amount": 1.5, "tags": []}}"#, "9".repeat(10_000))),
        ("amount beyond all", r#"{"id": 7, "amount": 1e999, "tags": []}"#.into()),
        ("NaN", r#"{"id": 7, "amount": NaN, "tags": []}"#.into()),
        ("Infinity", r#"{"id": 7, "amount": Infinity, "tags": []}"#.into()),
        ("hexadecimal", r#"{"id": 0x7, "amount": 1.5, "tags": []}"#.into()),
        ("leading zero", r#"{"id": 07, "amount": 1.5, "tags": []}"#.into()),
        ("lone surrogate", r#"{"id": 7, "amount": 1.5, "tags": ["\ud800"]}"#.into()),
        ("bad escape", r#"{"id": 7, "amount": 1.5, "tags": ["\x41"]}"#.into()),
        ("control character", "{\"id\": 7, \"amount\": 1.5, \"tags\": [\"\u{1}\"]}".into()),
        ("deep and open", deep("[", "")),
        ("too many tags", format!(r#"{{"id": 7, "amount": 1.5, "tags": [{}"x"]}}"#, "\"t\",".repeat(200))),
    ];
    kinds.extend(bad.into_iter().map(|(name, text)| kind("json", name, text, false)));
    let good = [
        ("unknown field", r#"{"id": 7, "amount": 1.5, "tags": [], "new": {"a": [1]}}"#),
        ("smallest amount", r#"{"id": 7, "amount": 5e-324, "tags": []}"#),
        ("whole amount", r#"{"id": 7, "amount": 12345678901234567890, "tags": []}"#),
        ("escapes", r#"{"id": 7, "amount": -0, "tags": ["\ud83d\ude00\u0000"]}"#),
    ];
    kinds.extend(good.iter().map(|(name, text)| kind("json", name, *text, true)));
    kinds.push(kind("json", "deep lists in an unknown field", deep("[", "]"), true));
    kinds.push(kind(
        "json",
        "deep objects in an unknown field",
        deep(r#"{"a":"#, "}").replace(r#"{"a":}"#, r#"{"a":1}"#),
        true,
    ));
    kinds.push(kind("json", "not utf-8", &b"{\"id\": 7, \"amount\": 1, \"tags\": [\"\xff\"]}"[..], false));
    kinds
}

fn frame(length: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &length.to_be_bytes()[..], body].concat()
}

fn framed() -> Vec<Kind> {
    let mut kinds: Vec<Kind> =
        (0..5).map(|n| kind("framed", format!("{n} bytes of a head"), vec![0; n], false)).collect();
    for magic in [1_u8, 5, 0x7f, 0xff] {
        kinds.push(kind("framed", format!("magic {magic}"), [&[magic], &frame(4, b"good")[1..]].concat(), false));
    }
    for length in [1, 3, 5, 1 << 24, i32::MAX as u32, 1 << 31, u32::MAX] {
        kinds.push(kind("framed", format!("length {length}"), frame(length, b"four"), false));
    }
    kinds.push(kind("framed", "length in the other order", [&[0], &4_u32.to_le_bytes()[..], b"four"].concat(), false));
    kinds.push(kind("framed", "text that is none", frame(2, b"\xc3\x28"), false));
    kinds.push(kind("framed", "no text", frame(0, b""), true));
    kinds
}

/// Good to read, but what is done with it panics.
fn poison() -> Vec<Kind> {
    let texts = [
        "panic",
        "panic with a text",
        "panic \u{0}\u{feff}",
        "payload",
        "unwrap",
        "expect nothing",
        "index 1",
        "index 18446744073709551615",
        "index x",
        "divide 0",
        "slice 1",
        "slice 9",
        "overflow 1",
        "borrow",
        "unreachable",
        "assert",
    ];
    let of = |topic: &'static str| {
        texts.iter().map(move |text| {
            let bytes =
                if topic == "framed" { frame(text.len() as u32, text.as_bytes()) } else { text.as_bytes().to_vec() };
            kind(topic, format!("poison {text:?}"), bytes, false)
        })
    };
    of("texts").chain(of("framed")).collect()
}

/// Near what a broker takes, and what grows beyond it.
fn sizes() -> Vec<Kind> {
    let of = |bytes: usize| kind("texts", format!("{bytes} bytes"), vec![b'x'; bytes], true);
    let grown = |bytes: usize| kind("texts", format!("grows to {bytes} bytes"), format!("grow {bytes}"), false);
    vec![of(1), of(65_536), of(900_000), of(999_000), grown(1_200_000), grown(5_000_000), grown(50_000_000)]
}

/// Odd keys, nulls, timestamps and headers.
fn around() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for topic in ["texts", "numbers", "json", "framed", "floats"] {
        let base = good(topic, 0);
        let named = |name: &str| format!("{topic}: {name}");
        kinds.push(Kind { name: named("null key"), key: None, is_good: false, ..base.clone() });
        kinds.push(Kind { name: named("null value"), value: None, is_good: false, ..base.clone() });
        kinds.push(Kind { name: named("null key and value"), key: None, value: None, is_good: false, ..base.clone() });
        kinds.push(Kind { name: named("empty key"), key: Some(Vec::new()), ..base.clone() });
        kinds.push(Kind { name: named("key that is no text"), key: Some(vec![0xff]), is_good: false, ..base.clone() });
        kinds.push(Kind { name: named("long key"), key: Some(vec![b'k'; 100_000]), ..base });
    }
    for timestamp in [1, i64::from(i32::MAX), 4_102_444_800_000, 253_402_300_800_000, 1 << 53, i64::MAX / 2] {
        kinds.push(Kind { name: format!("timestamp {timestamp}"), timestamp, ..good("texts", 0) });
        let bad = Kind { value: Some(b"panic".to_vec()), is_good: false, ..good("texts", 0) };
        kinds.push(Kind { name: format!("poison at {timestamp}"), timestamp, ..bad });
    }
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers: [(&str, Vec<Header>); 8] = [
        ("twice", vec![header("a", Some(b"1")), header("a", Some(b"2"))]),
        ("null", vec![header("a", None)]),
        ("empty", vec![header("", Some(b"")), header("a", Some(b""))]),
        ("no text", vec![header("a", Some(b"\xff\xfe\x00"))]),
        ("odd name", vec![header("ä\u{0}\u{202e}", Some(b"x"))]),
        ("many", (0..500).map(|n| header(&format!("h{n}"), Some(b"x"))).collect()),
        ("long", vec![header("a", Some(&[7; 50_000]))]),
        ("pretended", vec![header("millstream.error.topic", Some(b"elsewhere")), header("number", Some(b"0"))]),
    ];
    for (name, headers) in headers {
        kinds.push(Kind { name: format!("headers: {name}"), headers: headers.clone(), ..good("texts", 0) });
        let bad = Kind { value: Some(b"unwrap".to_vec()), is_good: false, ..good("texts", 0) };
        kinds.push(Kind { name: format!("poison with headers: {name}"), headers, ..bad });
    }
    kinds
}
