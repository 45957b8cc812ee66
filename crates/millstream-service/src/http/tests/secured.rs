//! Tokens, certificates, and clients that take too much or too long.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::healthcheck::ask;

/// A server of the settings, with one route that shows state, as if it listened at `address`.
fn served(settings: &HttpSettings, address: &str) -> (Background, u16) {
    let stop = Arc::new(Stop::default());
    let health = Arc::new(Health::new(stop.clone(), 30_000));
    health.set_workers(vec![Arc::default()]);
    let metrics = Metrics::new(health.clone(), "orders", "pod-0").unwrap();
    let listener = bind(&HttpSettings { host: "127.0.0.1".to_owned(), port: 0, ..settings.clone() }).unwrap();
    let port = listener.local_addr().unwrap().port();
    let access = Access::new(settings, SocketAddr::new(address.parse().unwrap(), port));
    let state =
        Router::new().route("/state/counts", axum::routing::get(async || "6 words").post(async |body: String| body));
    let router = router(Arc::new(Shown { health: health.clone(), metrics }), state, access);
    let tls = Tls::new(&settings.tls).unwrap();
    (Background::start(Some(Server { listener, router, tls }), stop, health, Duration::from_secs(1)).unwrap(), port)
}

fn exchange(stream: &mut (impl Read + Write), path: &str, headers: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn plain(port: u16, path: &str, headers: &str) -> String {
    exchange(&mut TcpStream::connect(("127.0.0.1", port)).unwrap(), path, headers)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn a_token_is_demanded_for_all_but_probes() {
    let settings = HttpSettings { token: Some("opensesame".to_owned()), ..settings(0) };
    let (_background, port) = served(&settings, "0.0.0.0");
    for path in ["/livez", "/readyz"] {
        assert_eq!(status(&plain(port, path, "")), "200", "{path}");
    }
    for path in ["/metrics", "/state/counts", "/nothing", "/livez/x", "//livez"] {
        let refused = plain(port, path, "");
        assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("www-authenticate: Bearer\r\n"), "{refused}");
    }
    for wrong in ["Bearer opensesam", "Bearer opensesamee", "Bearer ", "Bearer", "Basic opensesame", "opensesame", ""] {
        assert_eq!(status(&plain(port, "/metrics", &format!("Authorization: {wrong}\r\n"))), "401", "{wrong}");
    }
    let right = "authorization: bearer opensesame\r\n";
    assert_eq!(status(&plain(port, "/metrics", right)), "200");
    assert!(plain(port, "/state/counts", right).ends_with("\r\n\r\n6 words"));
    assert_eq!(status(&plain(port, "/nothing", right)), "404");
}

#[test]
fn state_needs_credentials_or_a_loopback_address() {
    let (_background, port) = served(&settings(0), "0.0.0.0");
    assert_eq!(status(&plain(port, "/metrics", "")), "200");
    let refused = plain(port, "/state/counts", "");
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("http.token or http.tls.client_ca"), "{refused}");

    let (_background, port) = served(&settings(0), "127.0.0.1");
    assert_eq!(status(&plain(port, "/state/counts", "")), "200");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /state/counts HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), "403", "a page of another host must not read state through a browser");
}

#[test]
fn large_requests_are_refused() {
    let (_background, port) = served(&settings(0), "127.0.0.1");
    assert_eq!(status(&plain(port, "/livez", &format!("X: {}\r\n", "x".repeat(5_000)))), "200");
    for headers in [format!("X: {}\r\n", "x".repeat(100_000)), "X: y\r\n".repeat(100)] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // The server may hang up before it has read all.
        let _ = write!(stream, "GET /livez HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    }
    for (length, expected) in [(LARGEST_BODY, "200"), (LARGEST_BODY + 1, "413")] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!("POST /state/counts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
        write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
        let _ = stream.write_all(&vec![b'x'; length]);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(status(&String::from_utf8_lossy(&answer)), expected, "{length} bytes");
    }
}

#[test]
fn slow_clients_are_hung_up_on() {
    let (_background, port) = served(&settings(0), "127.0.0.1");
    let since = Instant::now();
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(slow, "GET /livez HTTP/1.1\r\nHost:").unwrap();
    let mut again = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(again, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for stream in [&mut silent, &mut slow, &mut again] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
    }
    let took = since.elapsed();
    assert!(took >= serve::SLOWEST && took < serve::SLOWEST + Duration::from_secs(4), "{took:?}");
}

/// An authority, and what it has signed for this name, in files of the folder.
fn certified(folder: &Path, name: &str) -> (CertifiedIssuer<'static, KeyPair>, HttpTls) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let tls = signed(&authority, folder, name);
    (authority, tls)
}

fn signed(authority: &CertifiedIssuer<'static, KeyPair>, folder: &Path, name: &str) -> HttpTls {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let file = |kind: &str, text: String| {
        let path = folder.join(format!("{name}-{kind}.pem"));
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    HttpTls {
        certificate: file("certificate", certificate.pem()),
        key: file("key", key.serialize_pem()),
        client_ca: file("authority", authority.pem()),
    }
}

/// Asks over TLS, trusting the authority, with this certificate if any.
fn encrypted(port: u16, path: &str, trusted: &HttpTls, own: Option<&HttpTls>) -> std::io::Result<String> {
    let read = |path: &Option<std::path::PathBuf>| CertificateDer::from_pem_file(path.as_ref().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read(&trusted.client_ca)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_file(own.key.as_ref().unwrap()).unwrap();
            config.with_client_auth_cert(vec![read(&own.certificate)], key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port))?);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn clients_show_certificates_where_they_must() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, server) = certified(folder.path(), "localhost");
    let (_, stranger) = certified(other.path(), "stranger");
    let client = signed(&authority, folder.path(), "client");
    let settings = HttpSettings { tls: server.clone(), ..settings(0) };
    let (_background, port) = served(&settings, "0.0.0.0");

    let with = encrypted(port, "/state/counts", &server, Some(&client)).unwrap();
    assert!(with.ends_with("\r\n\r\n6 words"), "{with}");
    assert_eq!(status(&encrypted(port, "/readyz", &server, None).unwrap()), "200");
    for path in ["/metrics", "/state/counts"] {
        assert_eq!(status(&encrypted(port, path, &server, None).unwrap()), "403", "{path}");
    }
    assert!(encrypted(port, "/livez", &server, Some(&stranger)).is_err());
    let error = encrypted(port, "/livez", &stranger, None).unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");

    let checked = HttpSettings { host: "127.0.0.1".to_owned(), port, ..settings.clone() };
    assert!(ask(&checked, "/readyz").unwrap().contains("\"ready\":true"));
    assert!(ask(&HttpSettings { tls: HttpTls::default(), ..checked }, "/readyz").is_err(), "plain text at a TLS port");
}

#[test]
fn a_token_and_a_certificate_are_both_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, server) = certified(folder.path(), "localhost");
    let client = signed(&authority, folder.path(), "client");
    let settings = HttpSettings { tls: server.clone(), token: Some("opensesame".to_owned()), ..settings(0) };
    let (_background, port) = served(&settings, "0.0.0.0");
    assert_eq!(status(&encrypted(port, "/metrics", &server, Some(&client)).unwrap()), "401");
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tls) = certified(folder.path(), "localhost");
    let (_, other) = certified(folder.path(), "other");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (tls, expected) in [
        (
            HttpTls { certificate: Some("/no/such".into()), ..tls.clone() },
            "http.tls.certificate: the file /no/such cannot",
        ),
        (HttpTls { certificate: Some(empty.clone()), ..tls.clone() }, "there is no certificate in it"),
        (HttpTls { key: Some(empty.clone()), ..tls.clone() }, "http.tls.key: the file "),
        (HttpTls { client_ca: Some(empty), ..tls.clone() }, "http.tls.client_ca: the file "),
        (HttpTls { key: other.key, ..tls.clone() }, " is not the key of http.tls.certificate ("),
    ] {
        let error = Tls::new(&tls).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
