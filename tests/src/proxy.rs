//! A TCP forwarder with faults: what stands between clients and a broker.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What a proxy does to what passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Each connection that is open is closed, and new ones are closed as they come.
    pub refuse: bool,
    /// Bytes from clients vanish; the connections stay open.
    pub lose_requests: bool,
    /// Bytes from the broker vanish, so that what clients asked for is done, and they do not know; the connections stay open.
    pub lose_answers: bool,
    /// How much later all bytes arrive, in each direction.
    pub latency: Duration,
    /// Up to how much later still, by chance.
    pub jitter: Duration,
    /// How many bytes a second pass on each connection, in each direction; `None`: as many as come.
    pub bytes_per_second: Option<u64>,
}

/// Forwards connections to a broker on a port of its own, which it holds for as long as it lives.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    // Dropped, everything that runs on it ends.
    _runtime: Runtime,
}

struct Shared {
    target: Mutex<Option<SocketAddr>>,
    faults: watch::Sender<Faults>,
    /// Told each time that all connections are to be closed.
    cuts: watch::Sender<u64>,
    cut: AtomicU64,
    seed: u64,
}

/// How many bytes are taken at once.
const CHUNK: usize = 16 * 1024;
/// How many chunks of a connection may be delayed at once.
const CHUNKS: usize = 256;

impl Proxy {
    /// Listens on a free port of 127.0.0.1; connections are closed until there is a [target](Proxy::lead_to). Jitter is
    /// decided by `seed`.
    pub fn start(seed: u64) -> Result<Proxy> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Shared {
            target: Mutex::new(None),
            faults: watch::Sender::new(Faults::default()),
            cuts: watch::Sender::new(0),
            cut: AtomicU64::new(0),
            seed,
        };
        let shared = Arc::new(shared);
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(accept(listener, shared.clone()));
        Ok(Proxy { port, shared, _runtime: runtime })
    }

    /// The port of 127.0.0.1 that clients go to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to this port of 127.0.0.1.
    pub fn lead_to(&self, port: u16) {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// What it does from now on. A connection that has lost bytes is closed when it would lose no more: it could not be
    /// understood any longer.
    pub fn set(&self, faults: Faults) {
        self.shared.faults.send_replace(faults);
    }

    /// What it does now.
    pub fn faults(&self) -> Faults {
        *self.shared.faults.borrow()
    }

    /// Closes all connections that are open.
    pub fn cut(&self) {
        self.shared.cuts.send_replace(self.shared.cut.fetch_add(1, Ordering::Relaxed) + 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut number = 0;
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        number += 1;
        let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
        let refuse = shared.faults.borrow().refuse;
        if let (Some(target), false) = (target, refuse) {
            tokio::spawn(connect(client, target, shared.clone(), number));
        }
    }
}

async fn connect(client: TcpStream, target: SocketAddr, shared: Arc<Shared>, number: u64) {
    let mut cuts = shared.cuts.subscribe();
    let mut refusing = shared.faults.subscribe();
    let Ok(broker) = TcpStream::connect(target).await else { return };
    // As Kafka and its clients do: small requests are not held back.
    let (_, _) = (client.set_nodelay(true), broker.set_nodelay(true));
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    let random = |direction| StdRng::seed_from_u64(shared.seed.wrapping_add(2 * number + direction));
    let (requests, sent) = mpsc::channel(CHUNKS);
    let (answers, answered) = mpsc::channel(CHUNKS);
    // As on a network, what a client has sent may arrive when its connection is over.
    let mut arriving = tokio::spawn(write(to_broker, sent));
    let asking = read(from_client, requests, shared.faults.subscribe(), |faults| faults.lose_requests, random(0));
    let answering = read(from_broker, answers, shared.faults.subscribe(), |faults| faults.lose_answers, random(1));
    // Whatever ends first ends both directions: the streams are dropped.
    tokio::select! {
        _ = asking => {}
        _ = answering => {}
        _ = &mut arriving => {}
        () = write(to_client, answered) => {}
        _ = cuts.changed() => {}
        _ = refusing.wait_for(|faults| faults.refuse) => {}
    }
}

/// Takes bytes of one direction, with when they are to arrive, until the connection has become useless. When the end that they
/// come from closes, what was read is still written; then the writing ends.
async fn read(
    mut from: OwnedReadHalf,
    to: mpsc::Sender<(Instant, Vec<u8>)>,
    mut faults: watch::Receiver<Faults>,
    loses: impl Fn(&Faults) -> bool,
    mut random: StdRng,
) {
    let mut due = Instant::now();
    loop {
        let mut bytes = vec![0; CHUNK];
        let Ok(count @ 1..) = from.read(&mut bytes).await else { break };
        bytes.truncate(count);
        let now = *faults.borrow();
        if loses(&now) {
            // The other end must not see that anything is wrong before it is over.
            tokio::select! {
                _ = faults.wait_for(|faults| !loses(faults)) => {}
                _ = drain(&mut from) => {}
            }
            return;
        }
        let jitter = random.random_range(0..=now.jitter.as_micros() as u64);
        // Bytes stay in order, whatever their delays are.
        due = due.max(Instant::now() + now.latency + Duration::from_micros(jitter));
        if let Some(bytes_per_second) = now.bytes_per_second {
            due += Duration::from_micros(count as u64 * 1_000_000 / bytes_per_second.max(1));
        }
        if to.send((due, bytes)).await.is_err() {
            break;
        }
    }
    drop(to);
    std::future::pending().await
}

async fn drain(from: &mut OwnedReadHalf) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(1..) = from.read(&mut bytes).await {}
}

async fn write(mut to: OwnedWriteHalf, mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((due, bytes)) = chunks.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream as StdStream;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A server that answers each byte with the next one; tells what has arrived.
    fn start() -> (Proxy, Receiver<u8>) {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, tell) = (stream.unwrap(), tell.clone());
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        tell.send(byte[0]).unwrap();
                        let _ = stream.write_all(&[byte[0] + 1]);
                    }
                });
            }
        });
        let proxy = Proxy::start(1).unwrap();
        proxy.lead_to(port);
        (proxy, told)
    }

    fn connect(proxy: &Proxy) -> StdStream {
        let stream = StdStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(stream: &mut StdStream, byte: u8) -> std::io::Result<u8> {
        let mut answer = [0];
        stream.write_all(&[byte])?;
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    }

    #[test]
    fn bytes_pass_and_a_cut_ends_what_is_open_only() {
        let (proxy, _told) = start();
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, 7).unwrap(), 8);
        proxy.cut();
        assert!(ask(&mut stream, 7).is_err());
        assert_eq!(ask(&mut connect(&proxy), 1).unwrap(), 2);

        proxy.set(Faults { refuse: true, ..Faults::default() });
        assert!(ask(&mut connect(&proxy), 1).is_err());
        proxy.set(Faults::default());
        assert_eq!(ask(&mut connect(&proxy), 1).unwrap(), 2);
    }

    #[test]
    fn answers_are_lost_and_requests_arrive_and_the_other_way_round() {
        let (proxy, told) = start();
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, 1).unwrap(), 2);
        assert_eq!(told.recv().unwrap(), 1);
        proxy.set(Faults { lose_answers: true, ..Faults::default() });
        stream.write_all(&[3]).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), 3);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // It has lost a byte, so it is over.
        proxy.set(Faults::default());
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);

        proxy.set(Faults { lose_requests: true, ..Faults::default() });
        let mut stream = connect(&proxy);
        stream.write_all(&[5]).unwrap();
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
    }

    #[test]
    fn bytes_are_late_in_order_and_no_more_than_may_be() {
        let (proxy, _told) = start();
        let mut stream = connect(&proxy);
        let (latency, jitter) = (Duration::from_millis(60), Duration::from_millis(30));
        proxy.set(Faults { latency, jitter, ..Faults::default() });
        let since = std::time::Instant::now();
        assert_eq!(ask(&mut stream, 1).unwrap(), 2);
        assert!(since.elapsed() >= 2 * latency, "{:?}", since.elapsed());

        proxy.set(Faults { bytes_per_second: Some(100), ..Faults::default() });
        let since = std::time::Instant::now();
        let sent: Vec<u8> = (0..50).collect();
        stream.write_all(&sent).unwrap();
        let mut answers = vec![0; 50];
        stream.read_exact(&mut answers).unwrap();
        assert!(answers.iter().zip(&sent).all(|(answer, byte)| *answer == byte + 1), "{answers:?}");
        assert!(since.elapsed() >= Duration::from_millis(500), "{:?}", since.elapsed());
    }
}
