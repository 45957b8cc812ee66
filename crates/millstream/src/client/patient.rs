use std::thread;
use std::time::Duration;

use super::NAP;
use crate::broker::{BrokerError, ErrorKind};

/// Asks a broker again while it answers [`ErrorKind::Retry`], as it does where a leader or a coordinator moves, until about
/// `patience` has passed between the questions.
///
/// # Errors
/// The broker's last one.
pub fn patient<T>(patience: Duration, mut ask: impl FnMut() -> Result<T, BrokerError>) -> Result<T, BrokerError> {
    let mut waited = Duration::ZERO;
    loop {
        match ask() {
            Err(error) if error.kind == ErrorKind::Retry && waited < patience => {
                thread::sleep(NAP);
                waited += NAP;
            }
            answer => return answer,
        }
    }
}
