//! What librdkafka's errors mean for the caller.

use millstream::broker::{BrokerError, ErrorKind};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// The code inside of `error`, where there is one.
pub(crate) fn code_of(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// The same request may go through later: brokers restart, coordinators move, transactions end.
pub(crate) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::BrokerDestroy
            | Code::DestroyBroker
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
            | Code::WaitCache
            | Code::InProgress
            | Code::PreviousInProgress
            | Code::Retry
            | Code::Partial
            | Code::Outdated
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotController
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ConcurrentTransactions
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::UnstableOffsetCommit
            | Code::ThrottlingQuotaExceeded
            | Code::StaleBrokerEpoch
            | Code::PreferredLeaderNotAvailable
    )
}

/// The member that commits is not, or not any more, what the group takes it for.
pub(crate) fn is_stale_member(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
            | Code::FencedInstanceId
            | Code::AssignmentLost
    )
}

/// Nothing the program can do: rights, settings, sizes.
pub(crate) fn needs_a_person(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::DelegationTokenAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::UnsupportedCompressionType
            | Code::UnsupportedForMessageFormat
            | Code::InvalidTransactionTimeout
            | Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidRequiredAcks
            | Code::PolicyViolation
            | Code::InvalidTimestamp
            | Code::OffsetMetadataTooLarge
    )
}

/// A request that failed with `code`: `what` was tried.
pub(crate) fn of_request(what: &str, code: Code) -> BrokerError {
    let kind = if is_transient(code) { ErrorKind::Retry } else { ErrorKind::Fatal };
    BrokerError::new(kind, format!("{what}: {code}"))
}

/// A call of the client library that failed: `what` was tried.
pub(crate) fn of_client(what: &str, error: &KafkaError) -> BrokerError {
    match error {
        // The value is left out: it may be a password.
        KafkaError::ClientConfig(_, description, name, _) => {
            BrokerError::new(ErrorKind::Fatal, format!("{what}: {name}: {description}"))
        }
        KafkaError::ClientCreation(description) => BrokerError::new(ErrorKind::Fatal, format!("{what}: {description}")),
        other => match code_of(other) {
            Some(code) => of_request(what, code),
            None => BrokerError::new(ErrorKind::Fatal, format!("{what}: {other}")),
        },
    }
}

/// A record that could not be written.
pub(crate) struct Unwritten<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) bytes: usize,
    /// Whether librdkafka had taken it, and it failed later.
    pub(crate) was_taken: bool,
    /// The producer's `message.max.bytes`.
    pub(crate) max_bytes: u64,
}

impl Unwritten<'_> {
    pub(crate) fn error(&self, code: Code) -> BrokerError {
        let Unwritten { topic, partition, bytes, was_taken, max_bytes } = self;
        let place = match partition {
            Some(partition) => format!("{topic}[{partition}]"),
            None => (*topic).to_owned(),
        };
        let kind = match code {
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidTimestamp if *was_taken => {
                ErrorKind::EarlierRecord
            }
            Code::MessageSizeTooLarge | Code::InvalidTimestamp => ErrorKind::Record,
            code if needs_a_person(code) => ErrorKind::Fatal,
            _ => ErrorKind::Abort,
        };
        let hint = match code {
            Code::MessageSizeTooLarge if !was_taken => format!(
                "; this producer's limit is {max_bytes} bytes, its message.max.bytes; raise it, and the topic's \
                 max.message.bytes"
            ),
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => "; the broker's limit is the topic's \
                 max.message.bytes, or else its own message.max.bytes: raise it; it holds for a batch of records, too, so \
                 that the producer's batch.size must be below it"
                .to_owned(),
            Code::InvalidTimestamp => "; the broker takes no timestamps so far from its own time: see the topic's \
                 message.timestamp.before.max.ms and message.timestamp.after.max.ms"
                .to_owned(),
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                "; create the topic, with enough partitions".to_owned()
            }
            _ => String::new(),
        };
        BrokerError::new(kind, format!("a record of {bytes} bytes for {place} was not written: {code}{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use millstream::broker::ErrorKind;
    use rdkafka::types::RDKafkaErrorCode as Code;

    use super::Unwritten;

    #[test]
    fn an_error_of_a_record_says_what_would_be_right() {
        let error = |was_taken, code| {
            Unwritten { topic: "out", partition: Some(2), bytes: 1200, was_taken, max_bytes: 1000 }.error(code)
        };
        let large = error(false, Code::MessageSizeTooLarge);
        assert_eq!(large.kind, ErrorKind::Record);
        for word in ["1200 bytes for out[2]", "1000 bytes", "message.max.bytes"] {
            assert!(large.message.contains(word), "{large}");
        }
        assert_eq!(error(true, Code::MessageSizeTooLarge).kind, ErrorKind::EarlierRecord);
        assert_eq!(error(true, Code::TopicAuthorizationFailed).kind, ErrorKind::Fatal);
        assert_eq!(error(true, Code::BrokerTransportFailure).kind, ErrorKind::Abort);
    }
}
