mod secured;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::background::{Background, Server};
use crate::settings::{HttpTls, Settings};
use crate::stop::Stop;

fn settings(port: u16) -> HttpSettings {
    HttpSettings { port, ..Settings::defaults("x").http }
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn answers_on_a_port_that_was_free() {
    let stop = Arc::new(Stop::default());
    let health = Arc::new(Health::new(stop.clone(), 30_000));
    let metrics = Metrics::new(health.clone(), "orders", "pod-0").unwrap();
    let listener = bind(&settings(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let access = Access::new(&settings(0), listener.local_addr().unwrap());
    let router = router(Arc::new(Shown { health: health.clone(), metrics }), Router::new(), access);
    let server = Some(Server { listener, router, tls: None });
    let background = Background::start(server, stop, health.clone(), Duration::from_secs(1)).unwrap();

    assert!(get(port, "/livez").starts_with("HTTP/1.1 200 OK\r\n"));
    let starting = get(port, "/readyz");
    assert!(starting.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{starting}");
    assert!(starting.contains("content-type: application/json\r\n"), "{starting}");
    assert!(starting.ends_with("\r\n\r\n{\"phase\":\"starting\",\"ready\":false,\"tasks\":[]}\n"), "{starting}");
    health.set_workers(vec![Arc::default()]);
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
    health.workers()[0].moved_at.store(0, std::sync::atomic::Ordering::Relaxed);
    let stuck = get(port, "/livez");
    assert!(stuck.starts_with("HTTP/1.1 503 ") && stuck.contains("worker 0 has not moved for "), "{stuck}");
    let metrics = get(port, "/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4\r\n"), "{metrics}");
    assert!(metrics.contains("millstream_commits_total{worker=\"0\"} 0\n"), "{metrics}");
    assert!(get(port, "/").starts_with("HTTP/1.1 404 "));

    drop(background);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is let go of");
}

#[test]
fn says_what_to_do_about_an_address_that_it_cannot_have() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = bind(&settings(port)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot serve HTTP at 127.0.0.1:{port}: another process has that port. Set http.port to a free port \
             (0 takes any) or http.enabled to false"
        )
    );
    assert_eq!(error.exit_code(), 1);
    let error = bind(&HttpSettings { host: "192.0.2.1".to_owned(), ..settings(0) }).unwrap_err().to_string();
    assert!(error.contains("this machine has no such address"), "{error}");
}
