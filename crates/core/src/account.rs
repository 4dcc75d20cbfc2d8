//! Accounts and tags: text that has been checked once, borrowed from the caller.

use std::fmt;

use serde::Serialize;

use crate::{Generation, Invalid, Place, Problem, Rules, Text, Violation};

/// An account of the app: a UserID, or a RegistrationID on the `timpush` paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Account<'a>(&'a str);

/// A tag of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Tag<'a>(&'a str);

/// A user with its tags: a view into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserTags<'r, 'a> {
    /// The user.
    pub account: Account<'a>,
    /// Its tags, each once.
    pub tags: &'r [Tag<'a>],
}

impl<'a> Account<'a> {
    /// An account that was checked before.
    pub(crate) fn from_checked(account: &'a str) -> Account<'a> {
        Account(account)
    }

    /// Checks an account by `rules`: not empty, and on the `all_member_push` paths at most 32 bytes.
    ///
    /// # Errors
    /// With the one violation there is.
    pub fn new(account: impl Text<'a>, rules: &Rules) -> Result<Account<'a>, Invalid> {
        Account::check(account, rules).map_err(|problem| lone(Place::LoneAccount, problem))
    }

    pub(crate) fn check(account: impl Text<'a>, rules: &Rules) -> Result<Account<'a>, Problem> {
        let most = match rules.generation {
            Generation::AllMemberPush => rules.limits.account_bytes,
            Generation::Timpush => usize::MAX,
        };
        bounded(account, most).map(Account)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<'a> Tag<'a> {
    /// A tag that was checked before.
    pub(crate) fn from_checked(tag: &'a str) -> Tag<'a> {
        Tag(tag)
    }

    /// Checks a tag by `rules`: 1 to 50 bytes.
    ///
    /// # Errors
    /// With the one violation there is.
    pub fn new(tag: impl Text<'a>, rules: &Rules) -> Result<Tag<'a>, Invalid> {
        Tag::check(tag, rules).map_err(|problem| lone(Place::LoneTag, problem))
    }

    pub(crate) fn check(tag: impl Text<'a>, rules: &Rules) -> Result<Tag<'a>, Problem> {
        bounded(tag, rules.limits.tag_bytes).map(Tag)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

fn bounded<'a>(text: impl Text<'a>, most: usize) -> Result<&'a str, Problem> {
    let text = text.text()?;
    #[cfg(debug_assertions)]
    counted::count(text);
    match text.len() {
        0 => Err(Problem::Empty),
        bytes if bytes > most => Err(Problem::TooLong { bytes, most }),
        _ => Ok(text),
    }
}

/// Counts checks, for tests that each text is checked once on its way. Not in release builds.
#[cfg(debug_assertions)]
#[doc(hidden)]
pub mod counted {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Only texts that begin so are counted, as other tests run at the same time.
    pub const PREFIX: &str = "counted-";

    static CHECKS: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn count(text: &str) {
        if text.starts_with(PREFIX) {
            CHECKS.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The checks since the last call.
    pub fn take() -> usize {
        CHECKS.swap(0, Ordering::Relaxed)
    }
}

fn lone(place: Place, problem: Problem) -> Invalid {
    Invalid::from_violations(vec![Violation { place, problem }]).expect("one violation is not none")
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One character of each length that UTF-8 has.
    const CHARACTERS: [&str; 4] = ["a", "é", "北", "😀"];

    /// `bytes` bytes that end in as many of `character` as fit.
    fn text(character: &str, bytes: usize) -> String {
        "x".repeat(bytes % character.len()) + &character.repeat(bytes / character.len())
    }

    #[test]
    fn a_tag_of_50_bytes_passes_and_one_of_51_does_not_in_characters_of_any_length() {
        let rules = Rules::default();
        for character in CHARACTERS {
            assert!(Tag::new(&text(character, 49), &rules).is_ok());
            assert!(Tag::new(&text(character, 50), &rules).is_ok());
            assert_eq!(
                Tag::new(&text(character, 51), &rules)
                    .unwrap_err()
                    .violations()[0]
                    .to_string(),
                "tag: 51 bytes, at most 50"
            );
        }
    }

    #[test]
    fn an_account_of_32_bytes_passes_and_one_of_33_does_not_in_characters_of_any_length() {
        let rules = Rules::default();
        for character in CHARACTERS {
            assert!(Account::new(&text(character, 31), &rules).is_ok());
            assert!(Account::new(&text(character, 32), &rules).is_ok());
            assert_eq!(
                Account::new(&text(character, 33), &rules)
                    .unwrap_err()
                    .violations()[0]
                    .to_string(),
                "account: 33 bytes, at most 32"
            );
        }
    }

    #[test]
    fn a_registration_id_of_any_length_passes_on_timpush_and_an_empty_one_does_not() {
        let rules = Rules::for_generation(Generation::Timpush);
        let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
        assert_eq!(Account::new(id, &rules).unwrap().as_str(), id);
        assert!(Account::new(&"r".repeat(500), &rules).is_ok());
        assert!(Account::new("", &rules).is_err());
        assert!(Account::new(id, &Rules::default()).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_a_violation() {
        assert_eq!(
            Tag::new(b"ab\xff".as_slice(), &Rules::default())
                .unwrap_err()
                .violations()[0]
                .to_string(),
            "tag: not UTF-8 from byte 2 on"
        );
    }
}
