//! As much of a schema registry, on a port of its own, as tests need that must not wait for a real one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use millstream_formats::registry::RegistrySettings;
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    /// All schemas; the index is the id less 1.
    schemas: Vec<Value>,
    /// The ids that subjects have, in the order of their versions.
    subjects: BTreeMap<String, Vec<usize>>,
    /// What is said of a schema's compatibility.
    incompatible: Option<String>,
}

/// Runs until the process ends.
#[derive(Clone)]
pub(crate) struct FakeRegistry {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    /// So many of the next questions are answered with 503.
    away: Arc<AtomicU32>,
    asked: Arc<AtomicU32>,
}

impl FakeRegistry {
    /// One that wants this `Authorization`, if any.
    pub(crate) fn start(authorization: Option<&'static str>) -> Self {
        FakeRegistry::start_on("http", authorization, |stream| stream)
    }

    /// One that talks over what is made of each connection.
    pub(crate) fn start_on<S: Read + Write>(
        scheme: &str,
        authorization: Option<&'static str>,
        wrap: impl Fn(TcpStream) -> S + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let registry = FakeRegistry { url, state: Arc::default(), away: Arc::default(), asked: Arc::default() };
        let serving = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, wrap) = (serving.clone(), wrap.clone());
                std::thread::spawn(move || serving.serve(wrap(stream.unwrap()), authorization));
            }
        });
        registry
    }

    pub(crate) fn settings(&self) -> RegistrySettings {
        RegistrySettings::new(&self.url)
    }

    pub(crate) fn go_away_for(&self, questions: u32) {
        self.away.store(questions, Ordering::SeqCst);
    }

    pub(crate) fn refuse(&self, why: &str) {
        self.state.lock().unwrap().incompatible = Some(why.to_owned());
    }

    /// How many questions came so far.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn serve(&self, stream: impl Read + Write, authorization: Option<&str>) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let mut words = line.split_whitespace();
            let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
            let (mut length, mut shown) = (0, None);
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let Some((name, value)) = header.trim_end().split_once(':') else { break };
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap(),
                    "authorization" => shown = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            self.asked.fetch_add(1, Ordering::SeqCst);
            let is_away = self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            let (status, answer) = match () {
                () if is_away => (503, json!({ "error_code": 50303, "message": "leader is not known" })),
                () if authorization.is_some_and(|wanted| shown.as_deref() != Some(wanted)) => {
                    (401, json!({ "error_code": 40101, "message": "who are you?" }))
                }
                () => self.answer(&method, &path, &serde_json::from_slice(&body).unwrap_or_default()),
            };
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", answer.len());
            let written = reader.get_mut().write_all((head + &answer).as_bytes());
            if written.and_then(|()| reader.get_mut().flush()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        let path = path.split('?').next().unwrap().replace("%2E", ".");
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let none = || (404, json!({ "error_code": 40403, "message": "not found" }));
        match (method, parts.as_slice()) {
            ("GET", ["subjects"]) => (200, json!(state.subjects.keys().collect::<Vec<_>>())),
            ("GET", ["schemas", "ids", id]) => {
                let schema = id.parse::<usize>().ok().and_then(|id| state.schemas.get(id.wrapping_sub(1)).cloned());
                schema.map_or_else(none, |schema| (200, schema))
            }
            ("GET", ["subjects", subject, "versions", version]) => {
                let versions = state.subjects.get(*subject).cloned().unwrap_or_default();
                let id = match version.parse::<usize>() {
                    Ok(version) => versions.get(version - 1).copied(),
                    Err(_) => versions.last().copied(),
                };
                let Some(id) = id else { return none() };
                let mut answer = state.schemas[id - 1].clone();
                answer["id"] = json!(id);
                answer["subject"] = json!(subject);
                (200, answer)
            }
            ("GET", ["config", ..]) => (200, json!({ "compatibilityLevel": "BACKWARD" })),
            ("POST", ["compatibility", "subjects", subject, ..]) => {
                match (&state.incompatible, state.subjects.get(*subject)) {
                    (_, None) => none(),
                    (Some(why), _) => (200, json!({ "is_compatible": false, "messages": [why] })),
                    (None, _) => (200, json!({ "is_compatible": true })),
                }
            }
            ("POST", ["subjects", subject]) => {
                let ids = state.subjects.get(*subject).cloned().unwrap_or_default();
                let found = ids.into_iter().find(|id| state.schemas[*id - 1] == *body);
                found.map_or_else(none, |id| (200, json!({ "id": id })))
            }
            ("POST", ["subjects", subject, "versions"]) => {
                if let Some(why) = &state.incompatible {
                    return (409, json!({ "error_code": 409, "message": why }));
                }
                let known = state.schemas.iter().position(|schema| schema == body);
                let id = known.map_or_else(
                    || {
                        state.schemas.push(body.clone());
                        state.schemas.len()
                    },
                    |at| at + 1,
                );
                let versions = state.subjects.entry((*subject).to_owned()).or_default();
                if !versions.contains(&id) {
                    versions.push(id);
                }
                (200, json!({ "id": id }))
            }
            _ => (405, json!({ "error_code": 405, "message": "what?" })),
        }
    }
}
