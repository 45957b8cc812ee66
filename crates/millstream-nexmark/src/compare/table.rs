use std::fmt;

/// What a contestant's runs cost, and how much the second one wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) cpu_s: f64,
    pub(super) first_cpu_s: f64,
    /// Records in the output topic.
    pub(super) outputs: usize,
}

/// What came of a query.
pub(super) struct Line {
    pub(super) query: &'static str,
    pub(super) title: &'static str,
    pub(super) events: u64,
    pub(super) millstream: Side,
    /// Kafka Streams, how many rows only Millstream has, and how many only Kafka Streams has.
    pub(super) kafka_streams: Option<(Side, usize, usize)>,
}

impl Line {
    pub(super) fn head() -> String {
        let head = "| query | | Millstream CPU µs | Kafka Streams CPU µs, warm | cold | ratio, warm | outputs | outputs of Kafka \
                    Streams | rows only in Millstream | only in Kafka Streams |";
        format!("{head}\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    }

    /// Whether the results are as they should be: those of windows that are open at the end are Millstream's alone, and q12 is
    /// counted by the machine's time.
    pub(super) fn is_right(&self) -> bool {
        let closes_windows = ["q5", "q7", "q11"].contains(&self.query);
        match self.kafka_streams {
            Some((_, ours, theirs)) => self.query == "q12" || theirs == 0 && (ours == 0 || closes_windows),
            None => true,
        }
    }

    fn micros(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.events as f64
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { query, title, millstream, .. } = self;
        let ours = self.micros(millstream.cpu_s);
        write!(f, "| {query} | {title} | {ours:.2} |")?;
        match &self.kafka_streams {
            Some((side, only_ours, only_theirs)) => {
                let (warm, cold) = (self.micros(side.cpu_s), self.micros(side.first_cpu_s));
                let ratio = side.cpu_s / millstream.cpu_s;
                let outputs = (millstream.outputs, side.outputs);
                write!(
                    f,
                    " {warm:.2} | {cold:.2} | {ratio:.1} | {} | {} | {only_ours} | {only_theirs} |",
                    outputs.0, outputs.1
                )
            }
            None => write!(f, " - | - | - | {} | - | - | - |", millstream.outputs),
        }
    }
}
