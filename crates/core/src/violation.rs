//! What is wrong with a request or a change: all of it at once, each violation with its place, its limit and its remedy.
//! `text.rs` finds what is wrong with accounts and tags.

use std::fmt;

/// An invalid request. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    pub(crate) violations: Vec<Violation>,
}

impl Invalid {
    /// All violations, in the order of their places. Never empty.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

/// A message shows this many; [`Invalid::violations`] has all.
const SHOWN: usize = 10;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid request, nothing was sent: ")?;
        for (index, violation) in self.violations.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{violation}")?;
            write!(f, " ({})", violation.problem.remedy())?;
        }
        match self.violations.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// One thing that is wrong, and where: `users[3].tags[2]: 63 bytes, at most 50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub problem: Problem,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// A place in a request, by the positions that the caller gave, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `users`: the list of users with their tags.
    Users,
    /// `users[i].account`.
    UserAccount(usize),
    /// `users[i].tags`: the list of a user's tags.
    UserTags(usize),
    /// `users[i].tags[j]`.
    UserTag(usize, usize),
    /// `accounts`: the list of accounts.
    Accounts,
    /// `accounts[i]`.
    Account(usize),
    /// `replace`: the flag that replaces all tags.
    Replace,
    /// `account`: the account of a change, or one by itself.
    LoneAccount,
    /// `tag`: a tag by itself.
    LoneTag,
    /// `tags`: the list of a change's tags.
    ChangeTags,
    /// `tags[j]` of a change.
    ChangeTag(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Users => f.write_str("users"),
            Place::UserAccount(user) => write!(f, "users[{user}].account"),
            Place::UserTags(user) => write!(f, "users[{user}].tags"),
            Place::UserTag(user, tag) => write!(f, "users[{user}].tags[{tag}]"),
            Place::Accounts => f.write_str("accounts"),
            Place::Account(index) => write!(f, "accounts[{index}]"),
            Place::Replace => f.write_str("replace"),
            Place::LoneAccount => f.write_str("account"),
            Place::LoneTag => f.write_str("tag"),
            Place::ChangeTags => f.write_str("tags"),
            Place::ChangeTag(tag) => write!(f, "tags[{tag}]"),
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An account or a tag without a byte.
    #[error("empty, at least 1 byte")]
    Empty,
    /// More bytes than allowed.
    #[error("{bytes} bytes, at most {most}")]
    TooLong {
        /// Bytes in UTF-8.
        bytes: usize,
        /// How many are allowed.
        most: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 from byte {valid} on")]
    NotUtf8 {
        /// How many bytes before are.
        valid: usize,
    },
    /// A list without an element.
    #[error("none given, at least 1")]
    None,
    /// A list of more elements than allowed.
    #[error("{count} given, at most {most}")]
    TooMany {
        /// How many there are; duplicated tags of a user count once.
        count: usize,
        /// How many are allowed.
        most: usize,
    },
    /// More tags than a user carries, in a replacement or a change. Another request could not take the rest: a second
    /// replacement would remove the tags of the first.
    #[error("{count} given, at most {most}")]
    TooManyToCarry {
        /// How many there are; duplicated ones count once.
        count: usize,
        /// How many a user carries.
        most: usize,
    },
    /// An account that the request names before.
    #[error("the same account as at position {first}, at most once a request")]
    Repeated {
        /// Where it stands first.
        first: usize,
    },
    /// Replacing tags on paths that cannot.
    #[error("not possible on the all_member_push paths")]
    NeedsTimpush,
}

impl Problem {
    /// More than `most`, where the rest can go in another request.
    pub(crate) fn too_many(count: usize, most: usize) -> Option<Problem> {
        (count > most).then_some(Problem::TooMany { count, most })
    }

    /// More tags than a user carries.
    pub(crate) fn too_many_to_carry(count: usize, most: usize) -> Option<Problem> {
        (count > most).then_some(Problem::TooManyToCarry { count, most })
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Problem::Empty | Problem::None => "leave it out, or fill it",
            Problem::TooLong { .. } => "shorten it",
            Problem::NotUtf8 { .. } => "convert it to UTF-8",
            Problem::TooMany { .. } => "split it into several requests",
            Problem::TooManyToCarry { .. } => "leave some out, as a user carries at most that many",
            Problem::Repeated { .. } => "merge the two into one",
            Problem::NeedsTimpush => {
                "choose the generation timpush, or clear the tags and add new ones"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_long(place: Place) -> Violation {
        let problem = Problem::TooLong {
            bytes: 63,
            most: 50,
        };
        Violation { place, problem }
    }

    #[test]
    fn a_violation_names_place_and_limit() {
        assert_eq!(
            too_long(Place::UserTag(3, 2)).to_string(),
            "users[3].tags[2]: 63 bytes, at most 50"
        );
    }

    #[test]
    fn a_message_shows_ten_violations_and_counts_the_rest() {
        let violations = (0..12).map(|i| too_long(Place::UserTag(0, i))).collect();
        let message = Invalid { violations }.to_string();
        assert!(message.starts_with(
            "invalid request, nothing was sent: users[0].tags[0]: 63 bytes, at most 50 (shorten it); users"
        ));
        assert!(message.ends_with("tags[9]: 63 bytes, at most 50 (shorten it); and 2 more"));
    }
}
