//! Ports that a broker can listen on now and again after a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::errors::LocalKafkaError;

/// Below the ports that systems give to outgoing connections: while the broker is down, a client that tries again
/// and again would sooner or later be given the broker's own port, and keep it from coming back.
const FIRST: u16 = 20_000;
const LAST: u16 = 29_999;

/// How many neighbouring ports a process tries before it reaches those where the next process starts.
const BLOCK: u32 = 64;

/// Two free ports of 127.0.0.1. Nothing holds them: another process may be quicker.
pub(crate) fn two_free_ports() -> Result<(u16, u16), LocalKafkaError> {
    Ok((free_port()?, free_port()?))
}

/// A free port of 127.0.0.1, as [`two_free_ports`].
pub(crate) fn free_port() -> Result<u16, LocalKafkaError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(LAST - FIRST) + 1;
    let start = std::process::id().wrapping_mul(BLOCK);
    (0..count)
        .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count)
        .filter_map(|offset| u16::try_from(offset).ok())
        .map(|offset| FIRST + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(LocalKafkaError::NoFreePort { first: FIRST, last: LAST })
}
