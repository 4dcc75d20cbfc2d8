//! What the list of failed users says: of each user, which operations are not done, and what is known of their effect.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// What is known of an operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Effect {
    #[serde(rename = "not applied")]
    NotApplied,
    #[serde(rename = "possibly applied")]
    PossiblyApplied,
    /// It is done, and to be done again after a clear that is not.
    #[serde(rename = "applied")]
    Applied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Add,
    Remove,
    Clear,
}

/// A line of the list, of which the rest is for people.
#[derive(Debug, Deserialize)]
struct Line {
    account: String,
    op: Op,
    #[serde(default)]
    tags: Vec<String>,
    effect: Effect,
    reason: String,
}

/// What is listed of a user: each operation with its tag, which is empty for a clear.
pub(super) type Listed = HashMap<(Op, String), Effect>;

/// Reads the list. There is no file if no user failed.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Listed>, Error> {
    let in_list = |why: String| format!("{}: {why}", path.display());
    match fs::read_to_string(path) {
        Ok(list) => Ok(users(&list).map_err(in_list)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(in_list(error.to_string()).into()),
    }
}

fn users(list: &str) -> Result<HashMap<String, Listed>, String> {
    let mut users: HashMap<String, Listed> = HashMap::new();
    for text in list.lines() {
        let line: Line = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        let tags = match line.op {
            Op::Clear => vec![String::new()],
            _ => line.tags,
        };
        if line.reason.is_empty() || tags.is_empty() {
            return Err(format!("no reason, or no tags: {text}"));
        }
        let user = users.entry(line.account).or_default();
        for tag in tags {
            if user.insert((line.op, tag), line.effect).is_some() {
                return Err(format!("lists it twice: {text}"));
            }
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(op: &str, tags: &[&str], effect: &str) -> String {
        let line = json!({"account": "u", "op": op, "tags": tags, "code": null, "reason": "r", "remedy": "m", "effect": effect});
        format!("{line}\n")
    }

    #[test]
    fn the_lines_of_a_user_add_up() {
        let list = line("add", &["a"], "not applied")
            + &line("add", &["b"], "possibly applied")
            + &line("clear", &[], "not applied");
        let expected = Listed::from([
            ((Op::Add, "a".to_owned()), Effect::NotApplied),
            ((Op::Add, "b".to_owned()), Effect::PossiblyApplied),
            ((Op::Clear, String::new()), Effect::NotApplied),
        ]);
        assert_eq!(users(&list).unwrap()["u"], expected);
    }

    #[test]
    fn what_is_listed_twice_or_not_understood_is_a_fault() {
        let first = line("add", &["a"], "not applied");
        for wrong in [
            line("add", &["a"], "not applied"),
            line("add", &[], "not applied"),
            line("add", &["c"], "maybe"),
            line("put", &["c"], "not applied"),
        ] {
            assert!(users(&format!("{first}{wrong}")).is_err(), "{wrong}");
        }
    }
}
