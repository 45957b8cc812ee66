use std::fmt;

/// Which part of a record a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Key => "key",
            Part::Value => "value",
        })
    }
}

/// Under which subject a registry has the schemas of a topic's records. Schemas of one subject are to be compatible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectStrategy {
    /// `TOPIC-key` or `TOPIC-value`: a topic has records of one type.
    #[default]
    Topic,
    /// The record's full name: the type is the same on all topics.
    Record,
    /// `TOPIC-NAME`: a topic has records of several types, which change each on its own.
    TopicRecord,
}

impl SubjectStrategy {
    /// The subject of records of that full name on that topic.
    pub fn subject(self, topic: &str, part: Part, record_name: &str) -> String {
        match self {
            SubjectStrategy::Topic => format!("{topic}-{part}"),
            SubjectStrategy::Record => record_name.to_owned(),
            SubjectStrategy::TopicRecord => format!("{topic}-{record_name}"),
        }
    }
}

/// Under which subject the schema of each record is, where records of one topic may be of several types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// That one.
    Named(String),
    /// By the topic, the part of it, and the record's full name.
    ByRecord {
        /// How they make a name.
        strategy: SubjectStrategy,
        /// The topic.
        topic: String,
        /// The part.
        part: Part,
    },
}

impl Subject {
    /// The subject of a record of that full name.
    pub fn of(&self, record_name: &str) -> String {
        match self {
            Subject::Named(name) => name.clone(),
            Subject::ByRecord { strategy, topic, part } => strategy.subject(topic, *part, record_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, SubjectStrategy};

    #[test]
    fn subjects_are_named_as_confluent_names_them() {
        let named = |strategy: SubjectStrategy, part| strategy.subject("flights", part, "org.example.Flight");
        assert_eq!(named(SubjectStrategy::Topic, Part::Value), "flights-value");
        assert_eq!(named(SubjectStrategy::Topic, Part::Key), "flights-key");
        assert_eq!(named(SubjectStrategy::Record, Part::Key), "org.example.Flight");
        assert_eq!(named(SubjectStrategy::TopicRecord, Part::Value), "flights-org.example.Flight");
    }
}
