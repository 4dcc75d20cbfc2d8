//! Which import a journal belongs to. A user's number has a meaning only in the same input, read in the same way. So a
//! journal belongs to one input, identified by its content, and to the settings that decide how it is read and which app
//! it goes to.

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::import::input::Fingerprint;
use crate::output::{Shown, count};

/// What identifies an import: with the same identity, a number stands for the same user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    digest: String,
    bytes: u64,
    pub(crate) users: u64,
    /// What else must be the same, by the name that messages use: `("generation", "timpush")`. No secrets.
    settings: Vec<(String, String)>,
}

impl Identity {
    pub(crate) fn new(input: Fingerprint, users: u64, settings: Vec<(String, String)>) -> Identity {
        Identity {
            digest: format!("{:032x}", input.digest),
            bytes: input.bytes,
            users,
            settings,
        }
    }

    /// How a journal's identity differs from this one, as a part of a sentence; `None` if it does not.
    pub(super) fn difference(&self, of_journal: &Identity) -> Option<String> {
        let (now, then) = (self, of_journal);
        if now == then {
            return None;
        }
        let had = |then: u64, now: u64, one: &str, many: &str| {
            format!("the input had {} and has {now} now", count(then, one, many))
        };
        let mut all = Vec::new();
        if now.bytes != then.bytes {
            all.push(had(then.bytes, now.bytes, "byte", "bytes"));
        } else if now.digest != then.digest {
            all.push("the content of the input has changed".to_owned());
        } else if now.users != then.users {
            all.push(had(then.users, now.users, "user", "users"));
        }
        let value = |of: &Identity, name: &str| {
            let setting = of.settings.iter().find(|(it, _)| it == name);
            setting.map_or("not set".to_owned(), |(_, value)| value.clone())
        };
        let settings = now.settings.iter().chain(&then.settings);
        let names: IndexSet<_> = settings.map(|(name, _)| name).collect();
        for name in names {
            let (was, is) = (value(then, name), value(now, name));
            if was != is {
                all.push(format!("{name} was {was} and is {is} now"));
            }
        }
        // a value may come from a forged file
        Some(Shown(&all.join(", ")).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_differs_is_named() {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let input = Fingerprint {
            digest: u128::MAX - 5,
            bytes: 1_000,
        };
        let settings = vec![
            setting("generation", "timpush"),
            setting("app", "1400000000"),
        ];
        let now = Identity::new(input, 70_000, settings);
        assert_eq!(now.difference(&now), None);
        let mut then = now.clone();
        then.digest = "1".to_owned();
        then.users = 5;
        assert_eq!(
            now.difference(&then).unwrap(),
            "the content of the input has changed"
        );
        then.bytes = 999;
        then.settings[1].1 = "1500000000".to_owned();
        assert_eq!(
            now.difference(&then).unwrap(),
            "the input had 999 bytes and has 1000 now, app was 1500000000 and is 1400000000 now"
        );
        let mut then = now.clone();
        then.users = 5;
        then.settings[0].0 = "limits".to_owned();
        assert_eq!(
            now.difference(&then).unwrap(),
            "the input had 5 users and has 70000 now, generation was not set and is timpush now, \
             limits was timpush and is not set now"
        );
    }
}
