use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use millstream::broker::{Away, BrokerError, ErrorKind};
use rdkafka::types::RDKafkaErrorCode as Code;

/// Whether any broker of the cluster answers, as all clients know together.
///
/// A client that loses a connection only makes this suspicious: brokers close idle connections, and others may be there. The
/// thread that serves reports then asks the cluster, again and again until it answers.
#[derive(Clone, Default)]
pub(crate) struct Presence(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    given_up: AtomicBool,
}

#[derive(Default)]
enum State {
    #[default]
    Present,
    /// A client lost a connection, then, with this error.
    Suspected(Instant, String),
    Away(Instant, String),
}

impl Presence {
    /// A client reports an error of its own.
    pub(crate) fn reported(&self, code: Option<Code>, text: &str) {
        let is_connection = matches!(
            code,
            Some(
                Code::AllBrokersDown
                    | Code::BrokerTransportFailure
                    | Code::Resolve
                    | Code::OperationTimedOut
                    | Code::TimedOutQueue
            )
        );
        let mut state = self.0.state.lock().unwrap();
        if is_connection && matches!(*state, State::Present) {
            *state = State::Suspected(Instant::now(), text.to_owned());
        }
    }

    /// Whether the cluster is to be asked whether it is there.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !matches!(*self.0.state.lock().unwrap(), State::Present)
    }

    /// What came of the question.
    pub(crate) fn asked(&self, answer: Result<(), String>) {
        let mut state = self.0.state.lock().unwrap();
        *state = match (std::mem::take(&mut *state), answer) {
            (_, Ok(())) => State::Present,
            (State::Suspected(since, reason) | State::Away(since, reason), Err(_)) => State::Away(since, reason),
            (State::Present, Err(error)) => State::Away(Instant::now(), error),
        };
    }

    pub(crate) fn away(&self) -> Option<Away> {
        match &*self.0.state.lock().unwrap() {
            State::Away(since, reason) => Some(Away { since: since.elapsed(), reason: reason.clone() }),
            State::Present | State::Suspected(..) => None,
        }
    }

    /// From now on nobody waits for a broker.
    pub(crate) fn give_up(&self) {
        self.0.given_up.store(true, Ordering::SeqCst);
    }

    /// Fails if nobody is to wait any more.
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        match self.0.given_up.load(Ordering::SeqCst) {
            true => Err(BrokerError::new(ErrorKind::Abort, "the broker is not waited for, as the process is to end")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_a_suspicion_until_the_cluster_is_asked() {
        let presence = Presence::default();
        presence.reported(Some(Code::MessageSizeTooLarge), "too large");
        assert!(!presence.is_in_doubt());
        presence.reported(Some(Code::AllBrokersDown), "1/1 brokers are down");
        assert!(presence.is_in_doubt() && presence.away().is_none());
        presence.asked(Ok(()));
        assert!(!presence.is_in_doubt());
        presence.reported(Some(Code::BrokerTransportFailure), "refused");
        presence.asked(Err("timed out".to_owned()));
        presence.reported(Some(Code::BrokerTransportFailure), "again");
        assert_eq!(presence.away().unwrap().reason, "refused");
        presence.asked(Ok(()));
        assert_eq!(presence.away(), None);
    }

    #[test]
    fn nobody_waits_once_it_is_given_up() {
        let presence = Presence::default();
        presence.check().unwrap();
        presence.clone().give_up();
        assert_eq!(presence.check().unwrap_err().kind, ErrorKind::Abort);
    }
}
