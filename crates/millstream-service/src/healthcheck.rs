use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::error::Error;
use crate::settings::HttpSettings;

/// How long the service may take to take the connection, and to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks the service that runs on this machine for `path`. Returns the body of an answer with status 200.
pub(crate) fn ask(settings: &HttpSettings, path: &str) -> Result<String, Error> {
    let address = address(settings)?;
    let unhealthy = |reason: String| Error::Unhealthy { address, reason };
    let mut answer = String::new();
    TcpStream::connect_timeout(&address, LIMIT)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        })
        .map_err(|error| unhealthy(format!("no answer for {path}: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        Some(status) => Err(unhealthy(format!("{path} answers {status}: {}", body.trim()))),
        None => Err(unhealthy(format!("{path} answers what is no HTTP"))),
    }
}

/// The address of the settings; that of this machine where it is every address.
fn address(settings: &HttpSettings) -> Result<SocketAddr, Error> {
    let HttpSettings { enabled, host, port, .. } = settings;
    if !enabled {
        return Err(Error::Usage("healthcheck: http.enabled is false; set it to true".to_owned()));
    }
    if *port == 0 {
        return Err(Error::Usage("healthcheck: http.port is 0, which is any port; set it to a certain one".to_owned()));
    }
    let found = (host.as_str(), *port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let mut address = found.ok_or_else(|| {
        Error::Usage(format!("healthcheck: http.host is {host}, which has no address; set it to an address"))
    })?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn settings(port: u16) -> HttpSettings {
        HttpSettings { enabled: true, host: "0.0.0.0".to_owned(), port, advertised: None }
    }

    fn answered(answer: &'static str) -> Result<String, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1000];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let result = ask(&settings(port), "/readyz");
        assert_eq!(
            server.join().unwrap(),
            format!("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")
        );
        result
    }

    #[test]
    fn takes_200_for_well_and_all_else_for_not() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes").unwrap(), "yes");
        let error = answered("HTTP/1.1 503 Service Unavailable\r\n\r\nno\n").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().ends_with(": /readyz answers 503: no"), "{error}");
        let error = answered("").unwrap_err();
        assert!(error.to_string().ends_with(": /readyz answers what is no HTTP"), "{error}");
    }

    #[test]
    fn says_what_it_cannot_ask() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = ask(&settings(free), "/livez").unwrap_err().to_string();
        assert!(error.starts_with(&format!("127.0.0.1:{free}: no answer for /livez: ")), "{error}");
        assert!(ask(&settings(0), "/livez").unwrap_err().to_string().contains("http.port is 0"));
        let off = HttpSettings { enabled: false, ..settings(free) };
        assert!(ask(&off, "/livez").unwrap_err().to_string().contains("http.enabled is false"));
    }
}
