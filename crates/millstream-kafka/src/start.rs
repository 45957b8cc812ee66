//! Where readers start.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use millstream::broker::{Assignment, BrokerError, ErrorKind, Position, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::KafkaConsumer;
use crate::errors;
use crate::rights::Needed;

/// How long the beginnings or the ends of partitions are asked for when they are to be read.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(3);

/// How long the leaders of a topic's partitions are asked for after an answer was missing.
const LEADERS_LIMIT: Duration = Duration::from_secs(1);

/// The position as librdkafka writes it.
pub(crate) fn native_offset(position: Position) -> Offset {
    match position {
        Position::Offset(offset) => Offset::Offset(offset),
        Position::Beginning => Offset::Beginning,
        Position::End => Offset::End,
    }
}

/// The offset, if the position is one.
pub(crate) fn known(position: Position) -> Option<i64> {
    match position {
        Position::Offset(offset) => Some(offset),
        Position::Beginning | Position::End => None,
    }
}

/// Where to start, as an offset where the broker says it in time.
///
/// librdkafka would look a beginning or an end up by itself. But nothing stops it once it does: after a seek, or a new
/// assignment, it still goes there when the answer comes, back to records handed over or beyond others that were not.
pub(crate) fn resolved(consumer: &KafkaConsumer, assignments: &[Assignment]) -> Vec<Position> {
    let mut starts: Vec<Position> = assignments.iter().map(|assignment| assignment.from).collect();
    let unknown: Vec<usize> = (0..starts.len()).filter(|index| known(starts[*index]).is_none()).collect();
    if unknown.is_empty() {
        return starts;
    }
    let asked: Vec<_> = unknown.iter().map(|index| (&assignments[*index].partition, starts[*index])).collect();
    match offsets(consumer, &asked, START_LIMIT) {
        Ok(found) => {
            for (index, offset) in unknown.into_iter().zip(found) {
                match offset {
                    Ok(offset) => starts[index] = Position::Offset(offset),
                    Err(error) => tracing::warn!("reading starts once the broker says where: {error}"),
                }
            }
        }
        Err(error) => tracing::warn!("reading starts once the broker says where: {error}"),
    }
    starts
}

/// The offset behind each position: one request to each broker. The end is that of committed records or of all, as the
/// consumer's isolation level says.
pub(crate) fn offsets(
    consumer: &KafkaConsumer,
    positions: &[(&TopicPartition, Position)],
    limit: Duration,
) -> Result<Vec<Result<i64, BrokerError>>, BrokerError> {
    let what = |(partition, position): &(&TopicPartition, Position)| match position {
        Position::Beginning => format!("first offset of {partition}"),
        Position::End | Position::Offset(_) => format!("end offset of {partition}"),
    };
    let Some(first) = positions.first() else { return Ok(Vec::new()) };
    let mut list = TopicPartitionList::with_capacity(positions.len());
    let mut seen = HashSet::with_capacity(positions.len());
    for asked in positions {
        let (partition, position) = asked;
        // Of what is asked for twice, one would go to the broker without a position.
        if !seen.insert(*partition) {
            continue;
        }
        // In a question for times, the numbers that stand for the beginning and the end ask for these.
        list.add_partition_offset(&partition.topic, partition.partition, native_offset(*position))
            .map_err(|error| errors::of_client(&what(asked), &error))?;
    }
    let answer = match consumer.offsets_for_times(list, limit) {
        Ok(answer) => answer,
        Err(error) => {
            find_leaders_anew(consumer, positions.iter().map(|(partition, _)| *partition));
            return Err(of_question(&format!("{} and others", what(first)), &error));
        }
    };
    let failed = |(partition, _): &&(&TopicPartition, Position)| {
        answer.find_partition(&partition.topic, partition.partition).is_none_or(|element| element.error().is_err())
    };
    find_leaders_anew(consumer, positions.iter().filter(failed).map(|(partition, _)| *partition));
    let offset_of = |asked: &(&TopicPartition, Position)| {
        let (partition, _) = asked;
        let element = answer
            .find_partition(&partition.topic, partition.partition)
            .ok_or_else(|| errors::of_request(&what(asked), RDKafkaErrorCode::UnknownPartition))?;
        element.error().map_err(|error| {
            let rights = consumer.context().rights();
            let explained = of_question(&what(asked), &error);
            rights.explain(explained, errors::code_of(&error), Needed::Topic("Describe", &partition.topic))
        })?;
        match element.offset() {
            Offset::Offset(offset) => Ok(offset),
            other => Err(BrokerError::new(ErrorKind::Retry, format!("{}: the broker said {other:?}", what(asked)))),
        }
    };
    Ok(positions.iter().map(offset_of).collect())
}

/// Asks the cluster who leads the partitions. That a partition had no leader when it was last asked is final for librdkafka
/// where positions are asked for: it would not ask again for minutes, whoever leads it by then.
pub(crate) fn find_leaders_anew<'a>(consumer: &KafkaConsumer, partitions: impl Iterator<Item = &'a TopicPartition>) {
    let topics: BTreeSet<&str> = partitions.map(|partition| &*partition.topic).collect();
    for topic in topics {
        if let Err(error) = consumer.fetch_metadata(Some(topic), LEADERS_LIMIT) {
            tracing::debug!("it is not known yet who leads the partitions of {topic}: {error}");
            return;
        }
    }
}

/// A topic that is asked for was there before: it may be deleted to be made anew.
fn of_question(what: &str, error: &KafkaError) -> BrokerError {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    match errors::code_of(error) {
        Some(code @ (UnknownPartition | UnknownTopic | UnknownTopicOrPartition)) => {
            let message = format!("{what}: {code}; a topic that was deleted must be created again");
            BrokerError::new(ErrorKind::Retry, message)
        }
        _ => errors::of_client(what, error),
    }
}

/// Adds the partition, and where to start, to `list`.
pub(crate) fn add(
    list: &mut TopicPartitionList,
    partition: &TopicPartition,
    from: Position,
) -> Result<(), BrokerError> {
    list.add_partition_offset(&partition.topic, partition.partition, native_offset(from))
        .map_err(|error| errors::of_client(&format!("reading {partition} from {from:?}"), &error))
}
