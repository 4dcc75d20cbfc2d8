//! The cases as they stand in tests/conformance, read strictly: a member that no case has is a mistake, as a case that
//! silently says less than it seems to would pass for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::egress::Egress;
use super::flaky_proxy::ConnectionFault;
use super::observed::{self, Record};
use super::script::{self, Kind};
use crate::cargo::root;
use crate::error::Error;
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
    /// The variables of the runner's process, which then makes its client by them.
    pub(super) environment: Option<Map<String, Value>>,
    /// The settings file in the home of that process.
    pub(super) settings_file: Option<Value>,
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
    server: Value,
    /// Each operation with a fault a request, as the emulator's admin API takes them; `None`: nobody listens.
    #[serde(skip)]
    pub(super) faults: Option<BTreeMap<String, Vec<Value>>>,
    #[serde(default)]
    pub(super) tls: bool,
    #[serde(default)]
    pub(super) connections: Vec<ConnectionFault>,
    /// A proxy through which the client may call.
    pub(super) proxy: Option<Egress>,
    #[serde(default)]
    pub(super) tags_before: BTreeMap<String, Vec<String>>,
    pub(super) tags_after: Option<Value>,
    pub(super) wire: Vec<Value>,
    pub(super) wire_order: Option<Order>,
    pub(super) outcome: Value,
    /// The figures after it, by name and labels: those that are not 0.
    pub(super) stats: Option<Map<String, Value>>,
    /// The log's records of it, in order.
    pub(super) events: Option<Vec<Record>>,
    /// What the figures and the records must not show.
    #[serde(skip)]
    pub(super) hushed: BTreeSet<String>,
    /// The languages that cannot hold it, with the reason.
    #[serde(default)]
    pub(super) skip: BTreeMap<String, String>,
}

impl Case {
    /// It says something of figures or records, which its runner then answers.
    pub(super) fn is_observed(&self) -> bool {
        self.stats.is_some() || self.events.is_some()
    }
}

/// In which order requests may arrive, if not that of `wire`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    Any,
}

/// All cases, by file and then as they stand in it.
pub(super) fn all() -> Result<Vec<Case>, Error> {
    let files = fs::read_dir(root().join("tests/conformance"))?;
    let files = files.map(|entry| Ok(entry?.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_, Error>>()?;
    files.retain(|file| file.extension() == Some("json".as_ref()));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let in_file = |why: String| format!("{}: {why}", file.display());
        let list = serde_json::from_slice(&fs::read(&file)?);
        let list: Vec<Value> = list.map_err(|error| in_file(error.to_string()))?;
        let theme = file.file_stem().unwrap_or_default().to_string_lossy();
        for (index, case) in list.into_iter().enumerate() {
            let case = read(&theme, case);
            cases.push(case.map_err(|why| in_file(format!("[{index}]: {why}")))?);
        }
    }
    Ok(cases)
}

fn read(theme: &str, case: Value) -> Result<Case, String> {
    let mut case: Case = serde_json::from_value(expand(case)).map_err(|error| error.to_string())?;
    let in_case = |why: String| format!("{}: {why}", case.name);
    let scripts = [
        (Kind::Call, case.call.take()),
        (Kind::Bulk, case.bulk.take()),
        (Kind::Batcher, case.batcher.take()),
    ];
    let mut given = scripts
        .into_iter()
        .filter_map(|(kind, script)| Some((kind, script?)));
    let (Some((kind, script)), None) = (given.next(), given.next()) else {
        return Err(in_case(
            "a case has one of call, bulk and batcher".to_owned(),
        ));
    };
    case.script = script::read(kind, script).map_err(in_case)?;
    case.faults = faults(&case.server, kind, &case.script).map_err(in_case)?;
    case.kind = kind;
    if case.is_observed() {
        let settings = Value::Object(case.settings.clone());
        let played = observed::hushed(&[&case.script, &case.server, &settings]);
        case.hushed = played.map_err(in_case)?;
    }
    case.title = format!("{theme}: {}", case.name);
    let mut settings = match case.environment {
        Some(_) => settings_beside_environment(),
        None => default_settings(&case.settings),
    };
    settings.append(&mut case.settings);
    settings.retain(|_, value| !value.is_null());
    case.settings = settings;
    Ok(case)
}

/// The faults of a call are those of its operation.
fn faults(
    server: &Value,
    kind: Kind,
    script: &Value,
) -> Result<Option<BTreeMap<String, Vec<Value>>>, String> {
    match (server, kind) {
        (Value::Null, _) => Ok(Some(BTreeMap::new())),
        (Value::String(dead), _) if dead == "dead" => Ok(None),
        (Value::Array(faults), Kind::Call) => {
            let operation = script["operation"]
                .as_str()
                .ok_or("a call has an operation")?;
            let route = if operation == "replace" {
                "add"
            } else {
                operation
            };
            Ok(Some([(route.to_owned(), faults.clone())].into()))
        }
        (Value::Object(_), Kind::Bulk | Kind::Batcher) => {
            serde_json::from_value(server.clone()).map_err(|error| error.to_string())
        }
        (_, Kind::Call) => Err("the server of a call is a list, or \"dead\"".to_owned()),
        _ => Err("the server is a list for each operation, or \"dead\"".to_owned()),
    }
}

/// What every client has unless its case says otherwise; null takes one away. Of credentials, and of region and endpoint,
/// a client has one.
fn default_settings(given: &Map<String, Value>) -> Map<String, Value> {
    let is_given = |name: &str| given.contains_key(name);
    let mut defaults = Map::new();
    let mut set = |name: &str, value: Value| defaults.insert(name.to_owned(), value);
    set("sdkappid", json!(SDKAPPID));
    set("identifier", json!(IDENTIFIER));
    set("max_attempts", json!(1));
    if !is_given("usersig") && !is_given("credential_callback") {
        set("secret_key", json!(KEY));
    }
    if !is_given("region") {
        set("endpoint", json!("{endpoint}"));
    }
    defaults
}

/// What a client has that is made by the environment. The empty name is no profile.
fn settings_beside_environment() -> Map<String, Value> {
    Map::from_iter([
        ("from_env".to_owned(), json!("")),
        ("max_attempts".to_owned(), json!(1)),
    ])
}

/// Writes out each `{"repeat": 100, "of": …}` of a list. In a copy, `{n}` is its number, from 0.
fn expand(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().flat_map(repeated).collect()),
        Value::Object(members) => {
            let expanded = members.into_iter().map(|(key, value)| (key, expand(value)));
            Value::Object(expanded.collect())
        }
        other => other,
    }
}

fn repeated(item: Value) -> Vec<Value> {
    let times = item.get("repeat").and_then(Value::as_u64);
    let (Some(times), Some(of)) = (times, item.get("of")) else {
        return vec![expand(item)];
    };
    let of = expand(of.clone());
    let copy = |n: u64| filled(&of, &[("{n}", &n.to_string())]);
    (0..times).map(copy).collect()
}

/// The same with each name in braces replaced by what it stands for, in all strings.
pub(super) fn filled(value: &Value, names: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let fill = |text: String, (name, with): &(&str, &str)| text.replace(name, with);
            Value::String(names.iter().fold(text.clone(), fill))
        }
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            let filled = members.map(|(key, value)| (key.clone(), filled(value, names)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
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
        let case = case(&json!({"environment": {}, "settings": {"region": "china"}})).unwrap();
        let keys: Vec<_> = case.settings.keys().map(String::as_str).collect();
        assert_eq!(keys.join(" "), "from_env max_attempts region");
    }

    #[test]
    fn a_member_that_no_case_has_or_that_is_missing_or_wrong_is_named() {
        for (members, expected) in [
            (json!({"outcom": {}}), "unknown field `outcom`"),
            (json!({"wire": "{missing}"}), "missing field `wire`"),
            (json!({"wire_order": "none"}), "unknown variant `none`"),
            (json!({"connections": ["noise"]}), "unknown variant `noise`"),
            (
                json!({"proxy": {"kind": "ftp", "asked": []}}),
                "no kind of proxy: ftp",
            ),
            (
                json!({"server": "gone"}),
                "n: the server of a call is a list",
            ),
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

    #[test]
    fn a_repetition_is_written_out_with_its_numbers() {
        let users = json!(["x", {"repeat": 2, "of": {"account": "u{n}", "tags": [{"repeat": 2, "of": "t{n}"}]}}]);
        assert_eq!(
            expand(json!({ "users": users })),
            json!({"users": ["x", {"account": "u0", "tags": ["t0", "t1"]}, {"account": "u1", "tags": ["t0", "t1"]}]})
        );
        assert_eq!(expand(json!({"repeat": 2})), json!({"repeat": 2}));
    }
}
