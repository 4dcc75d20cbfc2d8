//! The cases as they stand in tests/conformance, read strictly: a member that no case has is a mistake, as a case that
//! silently says less than it seems to would pass for ever.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::expand::expand;
use super::flaky_proxy::ConnectionFault;
use super::script::{self, Kind};
use crate::Error;
use crate::cargo::root;
use crate::scene::{IDENTIFIER, KEY, SDKAPPID};

/// One case. `tests/conformance/README.md` says what each member means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// Its file and its name: `limits: a tag of 50 bytes …`.
    #[serde(skip)]
    pub(super) title: String,
    /// The edge of a limit that it stands at: `tag_bytes at`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test asks for the edges"))]
    pub(super) edge: Option<String>,
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    call: Option<Value>,
    bulk: Option<Value>,
    batcher: Option<Value>,
    /// Which of these three it has.
    #[serde(skip)]
    pub(super) kind: Kind,
    /// What the runner does, as it gets it.
    #[serde(skip)]
    pub(super) script: Value,
    #[serde(default)]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) tls: bool,
    #[serde(default)]
    pub(super) connections: Vec<ConnectionFault>,
    #[serde(default)]
    pub(super) tags_before: BTreeMap<String, Vec<String>>,
    pub(super) tags_after: Option<Value>,
    pub(super) wire: Vec<Value>,
    #[serde(default)]
    pub(super) wire_order: Order,
    pub(super) outcome: Value,
    /// The languages that cannot hold it, with the reason.
    #[serde(default)]
    pub(super) skip: BTreeMap<String, String>,
}

/// In which order requests may arrive.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    #[serde(skip)]
    AsInWire,
    Any,
}

/// What the server does.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Server {
    Dead(Dead),
    /// A fault a request of the call, as the emulator's admin API takes them; after the last it behaves.
    OfCall(Vec<Value>),
    /// The same for each operation.
    OfOperations(BTreeMap<String, Vec<Value>>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dead {
    /// Nobody listens.
    Dead,
}

impl Default for Server {
    fn default() -> Server {
        Server::OfOperations(BTreeMap::new())
    }
}

/// All cases, by file and then as they stand in it.
pub(super) fn all() -> Result<Vec<Case>, Error> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/conformance"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, Error>>()?;
    files.retain(|file| file.extension() == Some("json".as_ref()));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let list: Vec<Value> = serde_json::from_slice(&fs::read(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let theme = file.file_stem().unwrap_or_default().to_string_lossy();
        for (index, case) in list.into_iter().enumerate() {
            let case = read(&theme, case);
            cases.push(case.map_err(|why| format!("{}: [{index}]: {why}", file.display()))?);
        }
    }
    Ok(cases)
}

fn read(theme: &str, case: Value) -> Result<Case, String> {
    let mut case: Case = serde_json::from_value(expand(case)).map_err(|error| error.to_string())?;
    let in_case = |why: &str| format!("{}: {why}", case.name);
    let mut scripts = [
        (Kind::Call, case.call.take()),
        (Kind::Bulk, case.bulk.take()),
        (Kind::Batcher, case.batcher.take()),
    ];
    scripts.sort_by_key(|(_, script)| script.is_none());
    let [(kind, Some(script)), (_, None), (_, None)] = scripts else {
        return Err(in_case("a case has one of call, bulk and batcher"));
    };
    let script = script::read(kind, script).map_err(|why| in_case(&why))?;
    match (&case.server, kind) {
        (Server::OfOperations(faults), Kind::Call) if !faults.is_empty() => {
            return Err(in_case("the server of a call is a list, or \"dead\""));
        }
        (Server::OfCall(_), Kind::Bulk | Kind::Batcher) => {
            return Err(in_case(
                "the server is a list for each operation, or \"dead\"",
            ));
        }
        _ => {}
    }
    let mut settings = default_settings(&case.settings);
    settings.append(&mut case.settings);
    settings.retain(|_, value| !value.is_null());
    Ok(Case {
        title: format!("{theme}: {}", case.name),
        settings,
        kind,
        script,
        ..case
    })
}

/// What every client has unless its case says otherwise; null takes one away. Of credentials, and of region and endpoint,
/// a client has one.
fn default_settings(given: &Map<String, Value>) -> Map<String, Value> {
    let is_given = |names: &[&str]| names.iter().any(|name| given.contains_key(*name));
    let mut defaults = Map::new();
    let mut set = |name: &str, value: Value| defaults.insert(name.to_owned(), value);
    set("sdkappid", json!(SDKAPPID));
    set("identifier", json!(IDENTIFIER));
    set("max_attempts", json!(1));
    if !is_given(&["usersig", "credential_callback"]) {
        set("secret_key", json!(KEY));
    }
    if !is_given(&["region"]) {
        set("endpoint", json!("{endpoint}"));
    }
    defaults
}

/// The folder of the runners.
pub(super) fn runners() -> PathBuf {
    root().join("tests/conformance/runners")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(members: &Value) -> Result<Case, String> {
        let mut case = json!({"name": "n", "call": {}, "wire": [], "outcome": {"status": "ok"}});
        let whole = case.as_object_mut().unwrap();
        whole.extend(members.as_object().unwrap().clone());
        whole.retain(|_, value| *value != "{missing}");
        read("theme", case)
    }

    #[test]
    fn a_setting_takes_the_place_of_a_default_or_takes_it_away() {
        for (settings, expected) in [
            (
                json!({}),
                "endpoint identifier max_attempts sdkappid secret_key",
            ),
            (
                json!({"usersig": "x", "region": "china"}),
                "identifier max_attempts region sdkappid usersig",
            ),
            (
                json!({"secret_key": null, "max_attempts": null}),
                "endpoint identifier sdkappid",
            ),
        ] {
            let case = case(&json!({"settings": settings})).unwrap();
            let keys: Vec<_> = case.settings.keys().map(String::as_str).collect();
            assert_eq!(keys.join(" "), expected);
        }
    }

    #[test]
    fn a_member_that_no_case_has_or_that_is_missing_or_wrong_is_named() {
        for (members, expected) in [
            (json!({"outcom": {}}), "unknown field `outcom`"),
            (json!({"wire": "{missing}"}), "missing field `wire`"),
            (json!({"wire_order": "none"}), "unknown variant `none`"),
            (
                json!({"wire_order": "asinwire"}),
                "unknown variant `asinwire`",
            ),
            (json!({"connections": ["noise"]}), "unknown variant `noise`"),
            (json!({"server": "gone"}), "data did not match"),
            (
                json!({"server": {"add": []}}),
                "n: the server of a call is a list",
            ),
            (
                json!({"call": "{missing}"}),
                "n: a case has one of call, bulk and batcher",
            ),
            (
                json!({"bulk": {"input": []}}),
                "n: a case has one of call, bulk and batcher",
            ),
        ] {
            let error = case(&members).unwrap_err();
            assert!(error.starts_with(expected), "{members}: {error}");
        }
    }
}
