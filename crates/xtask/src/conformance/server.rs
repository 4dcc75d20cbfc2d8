//! The server of one case: an emulator on a port of its own, told what to do with each request that arrives.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::{Arrived, Emulator};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::case::{Case, Server};
use super::expand::filled;
use super::flaky_proxy::FlakyProxy;
use crate::Error;
use crate::scene::{self, IDENTIFIER, KEY, SDKAPPID};

/// Nobody listens there: the port is reserved, and has no use any more.
const DEAD: &str = "http://127.0.0.1:1";

/// A request that is dealt with later than this has found a bug.
const TIMEOUT: Duration = Duration::from_secs(20);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything that a case can meet.
pub(super) struct Scene {
    /// Before the server, where a case has faults of connections.
    _proxy: Option<FlakyProxy>,
    emulator: Option<Emulator>,
    endpoint: String,
    /// The certificate of the emulator's authority.
    ca_file: Option<NamedTempFile>,
    usersig: String,
    expired_usersig: String,
}

impl Scene {
    pub(super) fn new(case: &Case) -> Result<Scene, Error> {
        let emulator = start(case)?;
        let mut endpoint = emulator
            .as_ref()
            .map_or(DEAD.to_owned(), Emulator::endpoint);
        let mut proxy = None;
        if let Some(emulator) = emulator.as_ref().filter(|_| !case.connections.is_empty()) {
            let faults = case.connections.clone();
            let started = FlakyProxy::start(emulator.address(), faults)?;
            let scheme = endpoint
                .split_once("://")
                .map_or("http", |(scheme, _)| scheme);
            endpoint = format!("{scheme}://{}", started.address);
            proxy = Some(started);
        }
        let ca_pem = emulator.as_ref().and_then(Emulator::ca_pem);
        let write = |pem: &str| -> Result<_, Error> {
            let mut file = NamedTempFile::new()?;
            file.write_all(pem.as_bytes())?;
            Ok(file)
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Scene {
            _proxy: proxy,
            endpoint,
            ca_file: ca_pem.map(write).transpose()?,
            usersig: usersig(now)?,
            expired_usersig: usersig(now.saturating_sub(2 * DAY))?,
            emulator,
        })
    }

    /// A part of the case with the names that stand for what only this scene has.
    pub(super) fn fill(&self, part: &Value) -> Value {
        let ca_file = self.ca_file.as_ref();
        let ca_file = ca_file.map(|file| file.path().to_string_lossy());
        let names = [
            ("{endpoint}", self.endpoint.as_str()),
            ("{usersig}", &self.usersig),
            ("{expired_usersig}", &self.expired_usersig),
            ("{ca_file}", ca_file.as_deref().unwrap_or("{ca_file}")),
        ];
        filled(part, &names)
    }

    /// Waits until this number of requests has arrived.
    pub(super) fn await_arrivals(&self, count: u64) -> Result<(), String> {
        let arrived = || self.emulator.as_ref().map_or(0, |it| it.stats().arrivals());
        let until = Instant::now() + TIMEOUT;
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
        if !emulator.settle(TIMEOUT) {
            return Err("a request is still under way".into());
        }
        Ok(json!(emulator.users()))
    }
}

/// The emulator, where a case has one. The faults of a call are those of its operation.
fn start(case: &Case) -> Result<Option<Emulator>, Error> {
    let of_call: BTreeMap<String, Vec<Value>>;
    let faults = match &case.server {
        Server::Dead(_) => return Ok(None),
        Server::OfOperations(faults) => faults,
        Server::OfCall(faults) => {
            let operation = case.script["operation"].as_str();
            let route = match operation.ok_or("a call has an operation")? {
                "replace" => "add",
                operation => operation,
            };
            of_call = BTreeMap::from([(route.to_owned(), faults.clone())]);
            &of_call
        }
    };
    let emulator = scene::emulator()?.tls(case.tls).strict_random(true);
    let emulator = emulator.start()?;
    for (account, tags) in &case.tags_before {
        emulator.tag(account, tags);
    }
    for (operation, faults) in faults {
        let faults: Vec<Value> = faults.iter().map(with_text_body).collect();
        let order = json!({"route": operation, "faults": faults});
        emulator.faults_by_json(order.to_string().as_bytes())?;
    }
    Ok(Some(emulator))
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
    let (key, app) = (SecretKey::new(KEY)?, SdkAppId::new(SDKAPPID)?);
    let usersig = UserSig::sign(&key, app, &Identifier::new(IDENTIFIER)?, DAY, now);
    Ok(usersig.expose().to_owned())
}
