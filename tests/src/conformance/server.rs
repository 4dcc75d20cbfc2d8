//! The server of one case: an emulator on a port of its own, told what to do with each request that arrives.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::{Arrived, Emulator};
use serde_json::{Map, Value, json};
use tempfile::{NamedTempFile, TempDir};

use super::case::{Case, filled};
use super::egress::Egress;
use super::egress_proxy::EgressProxy;
use super::flaky_proxy::FlakyProxy;
use crate::error::Error;
use crate::scene::{self, IDENTIFIER, KEY, SDKAPPID};

/// Nobody listens there: the port is reserved, and has no use any more.
const DEAD: &str = "http://127.0.0.1:1";

/// A request that is dealt with later than this has found a bug.
const TIMEOUT: Duration = Duration::from_secs(20);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything that a case can meet.
pub(super) struct Server {
    /// Before the emulator, where a case has faults of connections.
    _proxy: Option<FlakyProxy>,
    egress: Option<EgressProxy>,
    /// None where nobody listens.
    emulator: Option<Emulator>,
    /// The certificates of the emulator's authority and of the egress proxy.
    ca_file: NamedTempFile,
    /// The home of a runner that has an environment of its own.
    home: TempDir,
    endpoint: String,
    usersig: String,
    expired_usersig: String,
}

impl Server {
    pub(super) fn start(case: &Case) -> Result<Server, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut server = Server {
            _proxy: None,
            egress: None,
            emulator: None,
            ca_file: NamedTempFile::new()?,
            home: tempfile::tempdir()?,
            endpoint: DEAD.to_owned(),
            usersig: usersig(now)?,
            expired_usersig: usersig(now.saturating_sub(2 * DAY))?,
        };
        let Some(faults) = &case.faults else {
            server.write_settings(case)?;
            return Ok(server);
        };
        let emulator = scene::emulator()?.tls(case.tls).strict_random(true);
        let emulator = emulator.start()?;
        for (account, tags) in &case.tags_before {
            emulator.tag(account, tags);
        }
        for (route, faults) in faults {
            let faults: Vec<Value> = faults.iter().map(with_text_body).collect();
            let order = json!({"route": route, "faults": faults});
            emulator.faults_by_json(order.to_string().as_bytes())?;
        }
        server.endpoint = emulator.endpoint();
        if !case.connections.is_empty() {
            let proxy = FlakyProxy::start(emulator.address(), case.connections.clone())?;
            let [from, to] = [emulator.address(), proxy.address].map(|it| it.to_string());
            server.endpoint = server.endpoint.replace(&from, &to);
            server._proxy = Some(proxy);
        }
        server.egress = case
            .proxy
            .as_ref()
            .map(|egress| egress.start(emulator.address()));
        let of_proxy = server.egress.as_ref().map(|proxy| proxy.ca_pem.as_str());
        for pem in [emulator.ca_pem(), of_proxy].into_iter().flatten() {
            server.ca_file.write_all(pem.as_bytes())?;
        }
        server.emulator = Some(emulator);
        server.write_settings(case)?;
        Ok(server)
    }

    /// Once the endpoint is known.
    fn write_settings(&self, case: &Case) -> Result<(), Error> {
        let Some(text) = &case.settings_file else {
            return Ok(());
        };
        let folder = self.home.path().join(".config/imtag");
        fs::create_dir_all(&folder)?;
        let text = self.fill(text);
        let lines = text
            .as_array()
            .ok_or("a settings file is a list of lines")?;
        let lines = lines.iter().filter_map(Value::as_str);
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        Ok(fs::write(folder.join("config.toml"), text)?)
    }

    /// A part of the case with the names that stand for what only this server has.
    pub(super) fn fill(&self, part: &Value) -> Value {
        let proxy = self.egress.as_ref();
        let proxy = proxy.map_or_else(String::new, |proxy| proxy.address.to_string());
        let names = [
            ("{proxy}", proxy.as_str()),
            ("{endpoint}", self.endpoint.as_str()),
            ("{usersig}", &self.usersig),
            ("{expired_usersig}", &self.expired_usersig),
            ("{ca_file}", &self.ca_file.path().to_string_lossy()),
            ("{home}", &self.home.path().to_string_lossy()),
            ("{secret_key}", KEY),
        ];
        filled(part, &names)
    }

    /// The variables of a case, filled in, and its home.
    pub(super) fn environment(
        &self,
        variables: &Map<String, Value>,
    ) -> Result<Vec<(String, String)>, Error> {
        let home = self.home.path().to_string_lossy().into_owned();
        let mut all = vec![("HOME".to_owned(), home)];
        for (name, value) in variables {
            let value = self.fill(value);
            let value = value.as_str().ok_or("a variable is a text")?;
            all.push((name.clone(), value.to_owned()));
        }
        Ok(all)
    }

    /// What only the two sides of a call may know.
    pub(super) fn secrets(&self, case: &Case) -> Vec<String> {
        let login = case.proxy.iter().flat_map(Egress::login);
        let usersigs = [&self.usersig, &self.expired_usersig].map(String::as_str);
        let all = login.chain(usersigs).chain([KEY, IDENTIFIER]);
        all.map(str::to_owned).collect()
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

    /// The hosts that the proxy was asked for, in their order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.egress
            .as_ref()
            .map(EgressProxy::asked)
            .unwrap_or_default()
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
    for (name, value) in &arrived.query {
        let again = query.contains_key(name);
        let name = if again {
            format!("{name}, again")
        } else {
            name.clone()
        };
        query.insert(name, value.as_str().into());
    }
    let random = query.remove("random");
    let is_number =
        random.is_some_and(|it| it.as_str().is_some_and(|it| it.parse::<u32>().is_ok()));
    if query.remove("usersig").is_none() || !is_number {
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
