//! What the list of failed users says: of each user, which operations are not done, and what is known of their effect.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use serde_json::Value;

use crate::Error;

/// What is known of an operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    NotApplied,
    PossiblyApplied,
    /// It is done, and to be done again after a clear that is not.
    Applied,
}

/// What is listed of a user.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) clear: Option<Effect>,
    pub(super) add: HashMap<String, Effect>,
    pub(super) remove: HashMap<String, Effect>,
}

/// Reads the list; none is there where nobody failed.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Listed>, Error> {
    let mut users = HashMap::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(users),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    };
    for (nth, line) in BufReader::new(file).lines().enumerate() {
        let wrong = |why: &str| format!("line {} of {} {why}", nth + 1, path.display());
        let line: Value =
            serde_json::from_str(&line?).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
        take(&mut users, &line).map_err(|why| wrong(&why))?;
    }
    Ok(users)
}

fn take(users: &mut HashMap<String, Listed>, line: &Value) -> Result<(), String> {
    let text = |name: &str| line[name].as_str().ok_or_else(|| format!("has no {name}"));
    let effect = match text("effect")? {
        "not applied" => Effect::NotApplied,
        "possibly applied" => Effect::PossiblyApplied,
        "applied" => Effect::Applied,
        other => return Err(format!("has the effect {other:?}")),
    };
    if text("reason")?.is_empty() {
        return Err("has no reason".to_owned());
    }
    let user: &mut Listed = users.entry(text("account")?.to_owned()).or_default();
    let list = match text("op")? {
        "add" => &mut user.add,
        "remove" => &mut user.remove,
        "clear" => {
            return match user.clear.replace(effect) {
                None => Ok(()),
                Some(_) => Err("lists a clear twice".to_owned()),
            };
        }
        other => return Err(format!("has the operation {other:?}")),
    };
    let tags = line["tags"].as_array().filter(|tags| !tags.is_empty());
    for tag in tags.ok_or("names no tags")? {
        let tag = tag.as_str().ok_or("has a tag that is no string")?;
        if list.insert(tag.to_owned(), effect).is_some() {
            return Err(format!("lists tag {tag:?} twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(op: &str, tags: &[&str], effect: &str) -> Value {
        json!({"account": "u", "op": op, "tags": tags, "code": null, "reason": "r", "remedy": "m", "effect": effect})
    }

    #[test]
    fn the_lines_of_a_user_add_up() {
        let mut users = HashMap::new();
        take(&mut users, &line("add", &["a"], "not applied")).unwrap();
        take(&mut users, &line("add", &["b"], "possibly applied")).unwrap();
        take(&mut users, &line("clear", &[], "not applied")).unwrap();
        let user = &users["u"];
        assert_eq!(user.add["a"], Effect::NotApplied);
        assert_eq!(user.add["b"], Effect::PossiblyApplied);
        assert_eq!(user.clear, Some(Effect::NotApplied));
    }

    #[test]
    fn what_is_listed_twice_or_not_understood_is_a_fault() {
        for wrong in [
            line("add", &["a"], "not applied"),
            line("add", &[], "not applied"),
            line("add", &["c"], "maybe"),
            line("put", &["c"], "not applied"),
        ] {
            let mut users = HashMap::new();
            take(&mut users, &line("add", &["a"], "not applied")).unwrap();
            assert!(take(&mut users, &wrong).is_err(), "{wrong}");
        }
    }
}
