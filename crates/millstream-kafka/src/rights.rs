//! Which right a principal lacks when the broker refuses a request.

use millstream::broker::{BrokerError, ErrorKind};
use rdkafka::types::RDKafkaErrorCode as Code;

/// What a request needs beside the group, which is always the client's own.
#[derive(Clone, Copy)]
pub(crate) enum Needed<'a> {
    /// An operation on a topic.
    Topic(&'static str, &'a str),
    /// To write as this transactional id.
    TransactionalId(&'a str),
    /// An operation on the cluster.
    Cluster(&'static str),
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// `User:…`, where the settings say it.
    pub(crate) principal: Option<String>,
    pub(crate) group_id: String,
}

impl Rights {
    /// The error, with the right that is missing if that is what it says.
    pub(crate) fn explain(&self, error: BrokerError, code: Option<Code>, needed: Needed<'_>) -> BrokerError {
        match code.and_then(|code| self.missing(code, needed)) {
            Some(missing) => BrokerError::new(ErrorKind::Fatal, format!("{}; {missing}", error.message)),
            None => error,
        }
    }

    /// What is missing, and how to grant it; nothing if `code` is no refusal of a right.
    pub(crate) fn missing(&self, code: Code, needed: Needed<'_>) -> Option<String> {
        let (operation, resource, name) = match (code, needed) {
            (Code::TopicAuthorizationFailed, Needed::Topic(operation, topic)) => (operation, "topic", topic),
            (Code::TopicAuthorizationFailed, _) => ("Write", "topic", "…"),
            (Code::GroupAuthorizationFailed, _) => ("Read", "group", self.group_id.as_str()),
            (Code::TransactionalIdAuthorizationFailed, Needed::TransactionalId(id)) => {
                ("Write", "transactional-id", id)
            }
            (Code::TransactionalIdAuthorizationFailed, _) => ("Write", "transactional-id", "…"),
            // A topic may be created by a right on it, too.
            (Code::ClusterAuthorizationFailed, Needed::Topic(operation, topic)) => (operation, "topic", topic),
            (Code::ClusterAuthorizationFailed, Needed::Cluster(operation)) => (operation, "cluster", ""),
            (Code::ClusterAuthorizationFailed, _) => ("IdempotentWrite", "cluster", ""),
            _ => return None,
        };
        let who = self.principal.as_ref().map_or("this client's principal".into(), |who| format!("principal {who}"));
        let principal = self.principal.as_deref().unwrap_or("User:…");
        let space = if name.is_empty() { "" } else { " " };
        Some(format!(
            "{who} has no right to {} {resource}{space}{name}; grant it with kafka-acls --add --allow-principal {principal} \
             --operation {operation} --{resource}{space}{name}",
            operation.to_uppercase(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(principal: Option<&str>) -> Rights {
        Rights { principal: principal.map(str::to_owned), group_id: "app".into() }
    }

    #[test]
    fn names_right_resource_and_principal() {
        let known = rights(Some("User:x"));
        assert_eq!(
            known.missing(Code::TopicAuthorizationFailed, Needed::Topic("Write", "y")).unwrap(),
            "principal User:x has no right to WRITE topic y; grant it with kafka-acls --add --allow-principal User:x \
             --operation Write --topic y"
        );
        let group = known.missing(Code::GroupAuthorizationFailed, Needed::Topic("Read", "y")).unwrap();
        assert!(group.contains("READ group app;") && group.ends_with("--operation Read --group app"), "{group}");
        let id = known.missing(Code::TransactionalIdAuthorizationFailed, Needed::TransactionalId("t")).unwrap();
        assert!(id.ends_with("--operation Write --transactional-id t"), "{id}");
        let cluster =
            rights(None).missing(Code::ClusterAuthorizationFailed, Needed::Cluster("IdempotentWrite")).unwrap();
        assert!(cluster.starts_with("this client's principal has no right to IDEMPOTENTWRITE cluster;"), "{cluster}");
        assert!(cluster.ends_with("--allow-principal User:… --operation IdempotentWrite --cluster"), "{cluster}");
        assert_eq!(known.missing(Code::RequestTimedOut, Needed::Cluster("Create")), None);
    }

    #[test]
    fn a_missing_right_is_for_a_person_to_grant() {
        let error = BrokerError::new(ErrorKind::Abort, "writing");
        let explained =
            rights(None).explain(error.clone(), Some(Code::TopicAuthorizationFailed), Needed::Topic("Write", "y"));
        assert_eq!(explained.kind, ErrorKind::Fatal);
        assert!(explained.message.starts_with("writing; this client's principal has no right"), "{explained}");
        assert_eq!(rights(None).explain(error.clone(), None, Needed::Topic("Write", "y")), error);
    }
}
