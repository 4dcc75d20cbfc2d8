//! The cases as they stand in tests/conformance, read strictly: a member that no case has is a mistake, as a case that
//! silently says less than it seems to would pass for ever.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::door::Meets;
use super::expand::expand;
use super::script;
use crate::Error;
use crate::cargo::root;

/// One case. `tests/conformance/README.md` says what each member means.
#[derive(Debug)]
pub(super) struct Case {
    /// Its file and its name: `limits: a tag of 50 bytes …`.
    pub(super) title: String,
    pub(super) name: String,
    /// The edge of a limit that it stands at: `tag_bytes at`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test asks whether every limit has its cases")
    )]
    pub(super) edge: Option<String>,
    pub(super) settings: Map<String, Value>,
    pub(super) kind: Kind,
    /// What the runner does, as it gets it.
    pub(super) script: Value,
    pub(super) server: Server,
    pub(super) tls: bool,
    /// What the first connections meet, before the server has a word.
    pub(super) connections: Vec<Meets>,
    pub(super) tags_before: BTreeMap<String, Vec<String>>,
    pub(super) tags_after: Option<Value>,
    pub(super) wire: Value,
    /// Requests may arrive in any order.
    pub(super) any_order: bool,
    pub(super) outcome: Value,
    /// The languages that cannot hold it, with the reason.
    pub(super) skip: BTreeMap<String, String>,
}

/// What a case does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Bulk,
    Batcher,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Call, Kind::Bulk, Kind::Batcher];

    /// The member of a case that says what is done.
    pub(super) fn member(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Bulk => "bulk",
            Kind::Batcher => "batcher",
        }
    }
}

/// What the server does.
#[derive(Debug)]
pub(super) enum Server {
    /// Nobody listens.
    Dead,
    /// For each operation a fault a request, as the emulator's admin API takes them; after the last it behaves.
    Faults(BTreeMap<String, Vec<Value>>),
}

/// All members that a case can have.
pub(super) const MEMBERS: [&str; 15] = [
    "name",
    "edge",
    "settings",
    "tags_before",
    "server",
    "tls",
    "connections",
    "call",
    "bulk",
    "batcher",
    "wire",
    "wire_order",
    "outcome",
    "tags_after",
    "skip",
];

/// What every client has unless its case says otherwise; null takes one away.
fn default_settings() -> Map<String, Value> {
    let defaults = json!({
        "sdkappid": 1_400_000_000_u32,
        "identifier": "administrator",
        "secret_key": super::server::SECRET_KEY,
        "endpoint": "{endpoint}",
        "max_attempts": 1,
    });
    defaults.as_object().cloned().unwrap_or_default()
}

/// All cases, by file and then as they stand in it.
pub(super) fn all() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for path in files()? {
        let text = fs::read_to_string(&path)?;
        let faulty = |why: String| format!("{}: {why}", path.display());
        let list: Vec<Value> =
            serde_json::from_str(&text).map_err(|error| faulty(error.to_string()))?;
        let theme = path.file_stem().unwrap_or_default().to_string_lossy();
        for (index, case) in list.into_iter().enumerate() {
            let case = read(&theme, expand(case));
            cases.push(case.map_err(|why| faulty(format!("[{index}]: {why}")))?);
        }
    }
    Ok(cases)
}

fn files() -> Result<Vec<PathBuf>, Error> {
    let folder = root().join("tests/conformance");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(theme: &str, case: Value) -> Result<Case, String> {
    let Value::Object(mut case) = case else {
        return Err("a case is an object".to_owned());
    };
    if let Some(unknown) = case.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(format!("a case has no member {unknown:?}"));
    }
    let name = text(case.remove("name")).ok_or("a case has a name")?;
    let of = |why: &str| format!("{name}: {why}");
    let mut settings = default_settings();
    for (setting, value) in object(case.remove("settings")) {
        instead_of_default(&mut settings, &setting);
        match value {
            Value::Null => settings.remove(&setting),
            value => settings.insert(setting, value),
        };
    }
    let mut scripts = Kind::ALL.map(|kind| (kind, case.remove(kind.member())));
    scripts.sort_by_key(|(_, script)| script.is_none());
    let [(kind, Some(script)), (_, None), (_, None)] = scripts else {
        return Err(of("a case has one of call, bulk and batcher"));
    };
    let script = script::read(kind, script).map_err(|why| of(&why))?;
    let server = server(case.remove("server"), kind, &script).map_err(of)?;
    let any_order = match case.remove("wire_order") {
        None => false,
        Some(order) if order == "any" => true,
        Some(_) => return Err(of("wire_order is \"any\"")),
    };
    let lists = |value| -> Option<BTreeMap<String, Vec<String>>> {
        serde_json::from_value(Value::Object(object(value))).ok()
    };
    let connections = match case.remove("connections") {
        None => Some(Vec::new()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| Meets::named(name.as_str()?))
            .collect(),
        Some(_) => None,
    };
    let skip = serde_json::from_value(Value::Object(object(case.remove("skip"))));
    Ok(Case {
        title: format!("{theme}: {name}"),
        edge: text(case.remove("edge")),
        settings,
        kind,
        script,
        server,
        connections: connections
            .ok_or_else(|| of("connections is a list of \"silence\" and \"close\""))?,
        tls: case.remove("tls").is_some_and(|tls| tls == true),
        tags_before: lists(case.remove("tags_before")).ok_or_else(|| of("tags_before"))?,
        tags_after: case.remove("tags_after"),
        wire: case.remove("wire").ok_or_else(|| of("a case has a wire"))?,
        any_order,
        outcome: case
            .remove("outcome")
            .ok_or_else(|| of("a case has an outcome"))?,
        skip: skip.map_err(|error| of(&format!("skip: {error}")))?,
        name,
    })
}

/// The faults of a call are those of its operation; a bulk run or a batcher says which operation each is for.
fn server(server: Option<Value>, kind: Kind, script: &Value) -> Result<Server, &'static str> {
    let faults = match (server, kind) {
        (None, _) => BTreeMap::new(),
        (Some(Value::String(dead)), _) if dead == "dead" => return Ok(Server::Dead),
        (Some(Value::Array(faults)), Kind::Call) => {
            let operation = script["operation"].as_str();
            let route = match operation.ok_or("a call has an operation")? {
                "replace" => "add",
                operation => operation,
            };
            BTreeMap::from([(route.to_owned(), faults)])
        }
        (Some(faults @ Value::Object(_)), Kind::Bulk | Kind::Batcher) => {
            serde_json::from_value(faults).map_err(|_| "the server has a list for an operation")?
        }
        (Some(_), Kind::Call) => return Err("the server is a list, or \"dead\""),
        (Some(_), _) => return Err("the server is a list for each operation, or \"dead\""),
    };
    Ok(Server::Faults(faults))
}

/// Of credentials, and of region and endpoint, a client has one.
fn instead_of_default(settings: &mut Map<String, Value>, setting: &str) {
    match setting {
        "usersig" | "credential_callback" => settings.remove("secret_key"),
        "region" => settings.remove("endpoint"),
        _ => None,
    };
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    value.and_then(|value| value.as_str().map(str::to_owned))
}

/// The folder's name for a runner, from the root.
pub(super) fn runners() -> PathBuf {
    root().join(Path::new("tests/conformance/runners"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(members: Value) -> Result<Case, String> {
        let mut case = json!({"name": "n", "call": {}, "wire": [], "outcome": {"status": "ok"}});
        let whole = case.as_object_mut().unwrap();
        whole.extend(members.as_object().unwrap().clone());
        read("theme", case)
    }

    #[test]
    fn a_setting_takes_the_place_of_a_default_or_takes_it_away() {
        let keys = |settings: Value| {
            let case = case(json!({"settings": settings})).unwrap();
            case.settings.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            keys(json!({})),
            "endpoint identifier max_attempts sdkappid secret_key"
        );
        assert_eq!(
            keys(json!({"usersig": "x", "region": "china"})),
            "identifier max_attempts region sdkappid usersig"
        );
        assert_eq!(
            keys(json!({"secret_key": null, "max_attempts": null})),
            "endpoint identifier sdkappid"
        );
    }

    #[test]
    fn a_member_that_no_case_has_or_that_is_missing_is_named() {
        let error = case(json!({"outcom": {}})).unwrap_err();
        assert_eq!(error, "a case has no member \"outcom\"");
        let error = read("theme", json!({"name": "n", "call": {}})).unwrap_err();
        assert_eq!(error, "n: a case has a wire");
        let error = read("theme", json!({"name": "n", "wire": []})).unwrap_err();
        assert_eq!(error, "n: a case has one of call, bulk and batcher");
        let error = case(json!({"server": "gone"})).unwrap_err();
        assert_eq!(error, "n: the server is a list, or \"dead\"");
        let error = case(json!({"bulk": {"input": []}})).unwrap_err();
        assert_eq!(error, "n: a case has one of call, bulk and batcher");
    }
}
