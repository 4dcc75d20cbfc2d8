//! The server of one case: an emulator on a port of its own, told what to do with each request that arrives.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SecretKey, UserSig};
use imtag_emulator::{Arrived, Emulator};
use serde_json::{Map, Value, json};

use super::case::{Case, Server};
use super::door::Door;
use super::expand::filled;
use crate::Error;

/// The key of the app in all cases, which is nobody's.
pub(super) const SECRET_KEY: &str =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Nobody listens there: the port is reserved, and has no use any more.
const DEAD: &str = "http://127.0.0.1:1";

/// A request that is dealt with later than this has found a bug.
const PATIENCE: Duration = Duration::from_secs(20);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything that a case can meet.
pub(super) struct Scene {
    /// Before the server, where a case says what connections meet.
    _door: Option<Door>,
    emulator: Option<Emulator>,
    endpoint: String,
    ca_file: Option<CaFile>,
    usersig: String,
    expired_usersig: String,
}

impl Scene {
    pub(super) fn of(case: &Case) -> Result<Scene, Error> {
        let emulator = match &case.server {
            Server::Dead => None,
            Server::Faults(faults) => Some(started(case, faults)?),
        };
        let ca_pem = emulator.as_ref().and_then(Emulator::ca_pem);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let door = match &emulator {
            Some(emulator) if !case.connections.is_empty() => {
                Some(Door::open(emulator.address(), &case.connections)?)
            }
            _ => None,
        };
        Ok(Scene {
            endpoint: endpoint(emulator.as_ref(), door.as_ref()),
            _door: door,
            ca_file: ca_pem.map(CaFile::write).transpose()?,
            usersig: usersig(now)?,
            expired_usersig: usersig(now.saturating_sub(2 * DAY))?,
            emulator,
        })
    }

    /// A part of the case with the names that stand for what only this scene has.
    pub(super) fn fill(&self, part: &Value) -> Value {
        let ca_file = self.ca_file.as_ref().map(|file| file.0.to_string_lossy());
        let names = [
            ("{endpoint}", self.endpoint.as_str()),
            ("{usersig}", &self.usersig),
            ("{expired_usersig}", &self.expired_usersig),
            ("{ca_file}", ca_file.as_deref().unwrap_or("{ca_file}")),
        ];
        filled(part, &names)
    }

    /// Waits until so many requests have arrived.
    pub(super) fn await_arrivals(&self, count: u64) -> Result<(), String> {
        let arrived = || self.emulator.as_ref().map_or(0, |it| it.stats().arrivals());
        let until = Instant::now() + PATIENCE;
        while arrived() < count {
            if Instant::now() >= until {
                return Err(format!("{} of {count} requests arrived", arrived()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The requests that arrived, in their order.
    pub(super) fn wire(&self) -> Vec<Value> {
        let arrived = self.emulator.as_ref().map(Emulator::requests);
        arrived.iter().flatten().map(request).collect()
    }

    /// The tags of all users that have some, once nothing is under way any more.
    pub(super) fn tags(&self) -> Result<Value, Error> {
        let Some(emulator) = &self.emulator else {
            return Ok(json!({}));
        };
        if !emulator.settle(PATIENCE) {
            return Err("a request is still under way".into());
        }
        Ok(json!(emulator.users()))
    }
}

/// Where a client finds the server.
fn endpoint(emulator: Option<&Emulator>, door: Option<&Door>) -> String {
    let endpoint = emulator.map_or(DEAD.to_owned(), Emulator::endpoint);
    match (endpoint.split_once("://"), door) {
        (Some((scheme, _)), Some(door)) => format!("{scheme}://{}", door.address()),
        _ => endpoint,
    }
}

fn started(case: &Case, faults: &BTreeMap<String, Vec<Value>>) -> Result<Emulator, Error> {
    let key = SecretKey::new(SECRET_KEY)?;
    let builder = Emulator::builder().secret_key(key).tls(case.tls);
    let emulator = builder.strict_random(true).start()?;
    for (account, tags) in &case.tags_before {
        emulator.tag(account, tags);
    }
    for (operation, faults) in faults {
        let faults: Vec<Value> = faults.iter().map(with_text_body).collect();
        let order = json!({"route": operation, "faults": faults});
        emulator.faults_by_json(order.to_string().as_bytes())?;
    }
    Ok(emulator)
}

/// The body of an answer may stand in a case as JSON.
fn with_text_body(fault: &Value) -> Value {
    let mut fault = fault.clone();
    if let Some(body) = fault.get_mut("body").filter(|body| !body.is_string()) {
        *body = Value::String(body.to_string());
    }
    fault
}

/// A request in the form of a case's `wire`. The UserSig is the emulator's to check; `random` must be there, and a
/// number of 32 bits.
fn request(arrived: &Arrived) -> Value {
    let mut query = Map::new();
    let mut known = 0;
    for (name, value) in &arrived.query {
        match name.as_str() {
            "usersig" => known += 1,
            "random" if value.parse::<u32>().is_ok() => known += 1,
            _ if query.contains_key(name) => {
                query.insert(format!("{name}, again"), value.as_str().into());
            }
            _ => {
                query.insert(name.clone(), value.as_str().into());
            }
        }
    }
    if known != 2 {
        query.insert("usersig and random".to_owned(), "not once each".into());
    }
    let body = serde_json::from_str(&arrived.body);
    json!({
        "method": arrived.method,
        "path": arrived.path,
        "query": query,
        "body": body.unwrap_or_else(|_| Value::from(arrived.body.as_str())),
    })
}

/// What is sent where a case says no more of a request than its path and body.
pub(super) fn whole_request(expected: &Value) -> Value {
    let mut whole = json!({
        "method": "POST",
        "query": {"sdkappid": "1400000000", "identifier": "administrator", "contenttype": "json"},
    });
    if let (Some(whole), Some(expected)) = (whole.as_object_mut(), expected.as_object()) {
        whole.extend(expected.clone());
    }
    whole
}

fn usersig(now: Duration) -> Result<String, Error> {
    let key = SecretKey::new(SECRET_KEY)?;
    let (app, identifier) = (1_400_000_000, "administrator");
    let app = imtag_core::SdkAppId::new(app)?;
    let identifier = Identifier::new(identifier)?;
    let usersig = UserSig::sign(&key, app, &identifier, DAY, now);
    Ok(usersig.expose().to_owned())
}

/// The certificate of an emulator's authority in a file, for as long as this lives.
struct CaFile(PathBuf);

impl CaFile {
    fn write(pem: &str) -> Result<CaFile, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-conformance-{}-{number}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, pem)?;
        Ok(CaFile(path))
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // a file that is left in the folder for such harms nobody
        let _ = fs::remove_file(&self.0);
    }
}
