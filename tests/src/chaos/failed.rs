//! What the list of failed users says: of each user, which operations are not done, and what is known of their effect.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
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

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Add,
    Remove,
    Clear,
}

/// What is listed of a user.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) clear: Option<Effect>,
    pub(super) add: HashMap<String, Effect>,
    pub(super) remove: HashMap<String, Effect>,
}

/// Reads the list. There is no file if no user failed.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Listed>, Error> {
    let mut users = HashMap::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(users),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    };
    for (nth, line) in BufReader::new(file).lines().enumerate() {
        let taken = take(&mut users, &line?);
        taken.map_err(|why| format!("line {} of {}: {why}", nth + 1, path.display()))?;
    }
    Ok(users)
}

fn take(users: &mut HashMap<String, Listed>, line: &str) -> Result<(), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.reason.is_empty() {
        return Err("has no reason".to_owned());
    }
    if line.tags.is_empty() && line.op != Op::Clear {
        return Err("names no tags".to_owned());
    }
    let user: &mut Listed = users.entry(line.account).or_default();
    let list = match line.op {
        Op::Add => &mut user.add,
        Op::Remove => &mut user.remove,
        Op::Clear if user.clear.replace(line.effect).is_some() => {
            return Err("lists a clear twice".to_owned());
        }
        Op::Clear => return Ok(()),
    };
    for tag in line.tags {
        if list.contains_key(&tag) {
            return Err(format!("lists tag {tag:?} twice"));
        }
        list.insert(tag, line.effect);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(op: &str, tags: &[&str], effect: &str) -> String {
        let line = json!({"account": "u", "op": op, "tags": tags, "code": null, "reason": "r", "remedy": "m", "effect": effect});
        line.to_string()
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
