use std::ops::RangeInclusive;

/// What a setting's value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text but the empty one.
    Text,
    /// The path of a file: never a secret, whatever its name.
    Path,
    /// A whole number in this range.
    Whole(RangeInclusive<i64>),
    /// Bytes, with or without a unit, or `none`.
    Bytes,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Which log lines are written: `info`, `info,millstream=debug`.
    LogFilter,
    /// Properties of librdkafka: a section with any keys. These contain dots, and are not sections of sections.
    Properties,
}

const COUNT: RangeInclusive<i64> = 1..=i64::MAX;
const MS: RangeInclusive<i64> = 0..=i64::MAX;
const POSITIVE_MS: RangeInclusive<i64> = 1..=i64::MAX;

/// What becomes of a record that failed.
const POLICIES: &[&str] = &["fail", "skip", "dead_letter"];

/// Every key that there is, with dots between a section and its keys.
pub(super) const KEYS: &[(&str, Kind)] = &[
    ("application_id", Kind::Text),
    ("instance_id", Kind::Text),
    ("bootstrap_servers", Kind::Text),
    ("workers", Kind::Whole(1..=1024)),
    ("guarantee", Kind::Choice(&["exactly_once", "at_least_once"])),
    ("commit_interval_ms", Kind::Whole(POSITIVE_MS)),
    ("offset_reset", Kind::Choice(&["earliest", "latest", "error"])),
    ("max_task_idle_ms", Kind::Whole(MS)),
    ("idle_timeout_ms", Kind::Whole(MS)),
    ("watermark_interval_ms", Kind::Whole(MS)),
    ("buffered_records_per_partition", Kind::Whole(COUNT)),
    ("replication_factor", Kind::Whole(1..=i16::MAX as i64)),
    ("repartition_purge_interval_ms", Kind::Whole(POSITIVE_MS)),
    ("parked_ms", Kind::Whole(MS)),
    ("standby_replicas", Kind::Whole(0..=1024)),
    ("rack", Kind::Text),
    ("warmup_timeout_ms", Kind::Whole(MS)),
    ("acceptable_recovery_lag", Kind::Whole(0..=i64::MAX)),
    ("errors.read", Kind::Choice(POLICIES)),
    ("errors.process", Kind::Choice(POLICIES)),
    ("errors.write", Kind::Choice(POLICIES)),
    ("errors.retry.attempts", Kind::Whole(1..=u32::MAX as i64)),
    ("errors.retry.backoff_ms", Kind::Whole(MS)),
    ("errors.dead_letter_topic", Kind::Text),
    ("memory_limit", Kind::Bytes),
    ("memory_limit_grace_ms", Kind::Whole(MS)),
    ("broker_wait_ms", Kind::Whole(POSITIVE_MS)),
    ("broker_lost_timeout_ms", Kind::Whole(MS)),
    ("stuck_after_ms", Kind::Whole(POSITIVE_MS)),
    ("shutdown_timeout_ms", Kind::Whole(MS)),
    ("http.enabled", Kind::Flag),
    ("http.host", Kind::Text),
    ("http.port", Kind::Whole(0..=u16::MAX as i64)),
    ("http.advertised", Kind::Text),
    ("http.token", Kind::Text),
    ("http.tls.certificate", Kind::Path),
    ("http.tls.key", Kind::Path),
    ("http.tls.client_ca", Kind::Path),
    ("log.level", Kind::LogFilter),
    ("log.format", Kind::Choice(&["text", "json"])),
    ("kafka.group_protocol", Kind::Choice(&["classic", "consumer"])),
    ("kafka.oauthbearer.token_file", Kind::Path),
    ("kafka.static_membership", Kind::Flag),
    ("kafka.properties", Kind::Properties),
    ("kafka.consumer", Kind::Properties),
    ("kafka.producer", Kind::Properties),
    ("kafka.restore", Kind::Properties),
    ("registry.url", Kind::Text),
    ("registry.auto_register", Kind::Flag),
    ("registry.user", Kind::Text),
    ("registry.password", Kind::Text),
    ("registry.token", Kind::Text),
    ("registry.ca", Kind::Path),
    ("registry.timeout_ms", Kind::Whole(POSITIVE_MS)),
    ("formats.default", Kind::Choice(&["json", "avro"])),
    ("formats.values", Kind::Properties),
];

/// The kind of the key `path`, if there is such a key.
pub(super) fn kind_of(path: &str) -> Option<&'static Kind> {
    KEYS.iter().find(|(key, _)| *key == path).map(|(_, kind)| kind)
}

/// The names right under a section (`""` is the top), each once.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for (key, _) in KEYS {
        let rest =
            if section.is_empty() { Some(*key) } else { key.strip_prefix(section).and_then(|r| r.strip_prefix('.')) };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The parts of a path written with dots. What follows a section of properties is one name.
pub(super) fn parts_of(path: &str) -> Vec<&str> {
    for (key, kind) in KEYS {
        if *kind == Kind::Properties
            && let Some(name) = path.strip_prefix(key).and_then(|rest| rest.strip_prefix('.'))
        {
            return key.split('.').chain([name]).collect();
        }
    }
    path.split('.').collect()
}

/// Which of `names` was probably meant by `found`.
pub(super) fn nearest<'a>(found: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().map(|name| (distance(found, name), *name)).min();
    near.filter(|(distance, name)| *distance <= 1 + name.len() / 4).map(|(_, name)| name)
}

/// How many letters differ: inserted, left out, or another.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.chars().enumerate() {
            let best = (diagonal + usize::from(letter != other)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.chars().count()]
}

impl Kind {
    /// What is accepted, as the end of a sentence.
    pub(super) fn accepted(&self) -> String {
        match self {
            Kind::Text => "a text".to_owned(),
            Kind::Path => "the path of a file".to_owned(),
            Kind::Whole(range) if *range.end() == i64::MAX => format!("a whole number, {} or more", range.start()),
            Kind::Whole(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Kind::Bytes => "bytes, as 512MiB, 2GiB or 1000000000; none".to_owned(),
            Kind::Flag => "true, false".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::LogFilter => {
                "error, warn, info, debug, trace, off; for modules whose names begin so: info,millstream=debug"
                    .to_owned()
            }
            Kind::Properties => "a section with librdkafka's properties".to_owned(),
        }
    }
}
