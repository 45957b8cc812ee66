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

/// A record that could not be written to `topic`.
pub(crate) fn of_record(topic: &str, partition: Option<i32>, bytes: usize, code: Code) -> BrokerError {
    let place = match partition {
        Some(partition) => format!("{topic}[{partition}]"),
        None => topic.to_owned(),
    };
    let kind = if needs_a_person(code) { ErrorKind::Fatal } else { ErrorKind::Abort };
    let hint = match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
            "; raise the producer's message.max.bytes and the topic's max.message.bytes"
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            "; create the topic, with enough partitions"
        }
        _ => "",
    };
    BrokerError::new(kind, format!("a record of {bytes} bytes for {place} was not written: {code}{hint}"))
}
