//! Words, counted.

use millstream::prelude::*;

/// Lines of text, without keys.
pub(crate) fn lines() -> Topic<(), String> {
    Topic::new("lines", Unit, Utf8)
}

/// For each word, how often it came so far.
pub(crate) fn word_counts() -> Topic<String, i64> {
    Topic::new("word-counts", Utf8, Be64)
}

/// The service's topology.
pub(crate) fn topology(b: &TopologyBuilder) {
    b.stream(&lines())
        .flat_map_values(words)
        .group_by(Topic::new("words", Utf8, Utf8), |_, word| word.clone())
        .count(Store::new("counts", Utf8, Be64))
        .to_stream()
        .to(&word_counts());
}

fn words(line: String) -> Vec<String> {
    let words = line.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use millstream_test::TopologyTestDriver;

    use super::{lines, topology, word_counts};

    #[test]
    fn every_word_of_a_line_counts() {
        let mut driver = TopologyTestDriver::new(topology);
        driver.pipe(&lines(), (), "To be, or not to be".to_string(), 0);
        let counts = [("to", 1), ("be", 1), ("or", 1), ("not", 1), ("to", 2), ("be", 2)];
        assert_eq!(driver.entries(&word_counts()), counts.map(|(word, count)| (word.to_string(), Some(count))));
    }

    #[test]
    fn counts_go_on_after_a_restart() {
        let mut driver = TopologyTestDriver::new(topology);
        driver.pipe(&lines(), (), "be".to_string(), 0);
        driver.restart();
        driver.pipe(&lines(), (), "be".to_string(), 1);
        assert_eq!(driver.values(&word_counts()), [1, 2]);
    }
}
