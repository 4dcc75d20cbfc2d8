//! A change of one user's tags, as bulk runs and batchers take it: of any number of tags, which packing then deals out
//! over requests.

use crate::seen::Seen;
use crate::{Account, Invalid, Operation, Place, Problem, Rules, Tag, Text, Violation};

/// To add tags to a user, to remove some, or to remove all. Nothing is checked before [`check`](Change::check), which
/// the sender of the change calls.
///
/// ```
/// use imtag_core::{Change, Operation, Rules};
///
/// let change = Change::add("xiaojun012", ["vip", "beijing", "vip"]);
/// assert_eq!(change.operation(), Operation::Add);
/// assert_eq!(change.tags(), ["vip", "beijing"]); // a set
/// assert!(change.check(&Rules::default()).is_ok());
/// assert!(Change::add("xiaojun012", ["x".repeat(51)]).check(&Rules::default()).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    operation: Operation,
    account: String,
    tags: Vec<String>,
}

impl Change {
    /// Adds tags to a user: at most as many as a user carries, which is 100.
    pub fn add<T: Into<String>>(
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> Change {
        Change::new(Operation::Add, account.into(), tags)
    }

    /// Removes tags from a user: any number.
    pub fn remove<T: Into<String>>(
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> Change {
        Change::new(Operation::Remove, account.into(), tags)
    }

    /// Removes all tags of a user.
    pub fn clear(account: impl Into<String>) -> Change {
        Change::new(Operation::Clear, account.into(), None::<String>)
    }

    /// [`add`](Change::add) from text or bytes, checked by `rules`.
    ///
    /// # Errors
    /// With every violation at once, bytes that are not UTF-8 among them.
    pub fn checked_add<'a, T: Text<'a>>(
        rules: &Rules,
        account: impl Text<'a>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Change, Invalid> {
        Change::checked(rules, Operation::Add, account, tags)
    }

    /// [`remove`](Change::remove) from text or bytes, checked by `rules`.
    ///
    /// # Errors
    /// As [`checked_add`](Change::checked_add).
    pub fn checked_remove<'a, T: Text<'a>>(
        rules: &Rules,
        account: impl Text<'a>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Change, Invalid> {
        Change::checked(rules, Operation::Remove, account, tags)
    }

    /// [`clear`](Change::clear) from text or bytes, checked by `rules`.
    ///
    /// # Errors
    /// As [`checked_add`](Change::checked_add).
    pub fn checked_clear<'a>(rules: &Rules, account: impl Text<'a>) -> Result<Change, Invalid> {
        Change::checked(rules, Operation::Clear, account, None::<&str>)
    }

    fn checked<'a, T: Text<'a>>(
        rules: &Rules,
        operation: Operation,
        account: impl Text<'a>,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Change, Invalid> {
        let mut good = Vec::new();
        let account = violations(rules, operation, account, tags, |tag| good.push(tag))?;
        Ok(Change::new(operation, account.to_owned(), good))
    }

    fn new<T: Into<String>>(
        operation: Operation,
        account: String,
        tags: impl IntoIterator<Item = T>,
    ) -> Change {
        let tags = tags.into_iter().map(Into::into).collect();
        Change {
            operation,
            account,
            tags: each_once(tags),
        }
    }

    /// What it does; never [`Operation::Get`].
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The tags, each once, in the order given; none for [`Operation::Clear`].
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Checks the change by `rules`.
    ///
    /// # Errors
    /// With every violation at once.
    pub fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        violations(rules, self.operation, &self.account, &self.tags, |_| ()).map(|_| ())
    }

    /// How many slots of requests it takes.
    #[must_use]
    pub fn slots(&self, rules: &Rules) -> usize {
        let tags_per_slot = rules.limits.tags_per_user_and_request.max(1);
        self.tags.len().div_ceil(tags_per_slot).max(1)
    }
}

/// Looks at all of a change, and answers with the account; `good` gets each tag that is.
fn violations<'a, T: Text<'a>>(
    rules: &Rules,
    operation: Operation,
    account: impl Text<'a>,
    tags: impl IntoIterator<Item = T>,
    mut good: impl FnMut(&'a str),
) -> Result<&'a str, Invalid> {
    let mut found = Vec::new();
    let account = Account::check(account, rules).map_err(|problem| {
        found.push(Violation {
            place: Place::LoneAccount,
            problem,
        });
    });
    let mut seen = Seen::default();
    let (mut given, mut count) = (0, 0);
    for (index, tag) in tags.into_iter().enumerate() {
        given += 1;
        match Tag::check(tag, rules) {
            Ok(tag) => {
                count += usize::from(seen.before(tag.as_str(), index).is_none());
                good(tag.as_str());
            }
            Err(problem) => found.push(Violation {
                place: Place::TagOfChange(index),
                problem,
            }),
        }
    }
    let most = rules.limits.tags_per_user;
    let of_number = match operation {
        Operation::Clear | Operation::Get => None,
        _ if given == 0 => Some(Problem::None),
        Operation::Add if count > most => Some(Problem::TooManyToCarry { count, most }),
        Operation::Add | Operation::Remove => None,
    };
    found.extend(of_number.map(|problem| Violation {
        place: Place::TagsOfChange,
        problem,
    }));
    match (account, Invalid::from_violations(found)) {
        (Ok(account), None) => Ok(account.as_str()),
        (_, Some(invalid)) => Err(invalid),
        (Err(()), None) => unreachable!("a bad account is a violation"),
    }
}

fn each_once(mut tags: Vec<String>) -> Vec<String> {
    let mut seen = Seen::default();
    let first = |(index, tag)| seen.before(tag, index).is_none();
    let firsts: Vec<bool> = tags
        .iter()
        .map(String::as_str)
        .enumerate()
        .map(first)
        .collect();
    let mut firsts = firsts.into_iter();
    tags.retain(|_| firsts.next() == Some(true));
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    fn tags(count: usize) -> Vec<String> {
        (0..count).map(|tag| format!("t{tag}")).collect()
    }

    fn complaint(change: &Change) -> String {
        let invalid = change.check(&Rules::default()).unwrap_err();
        let violations = invalid.violations().iter();
        violations
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn a_user_gets_as_many_tags_as_it_carries_and_not_one_more() {
        for (count, good) in [(1, true), (99, true), (100, true), (101, false)] {
            let change = Change::add("u", tags(count));
            assert_eq!(change.check(&Rules::default()).is_ok(), good, "{count}");
        }
        assert_eq!(
            complaint(&Change::add("u", tags(101))),
            "tags: 101, at most 100"
        );
        assert!(
            Change::remove("u", tags(101))
                .check(&Rules::default())
                .is_ok()
        );
    }

    #[test]
    fn every_violation_is_found_at_once() {
        let change = Change::add("x".repeat(33), ["a", "", &"é".repeat(26)]);
        assert_eq!(
            complaint(&change),
            "account: 33 bytes, at most 32; tags[1]: empty, at least 1 byte; tags[2]: 52 bytes, at most 50"
        );
        assert_eq!(
            complaint(&Change::remove("", [""; 0])),
            "account: empty, at least 1 byte; tags: none, at least 1"
        );
    }

    #[test]
    fn bytes_are_checked_as_text_is() {
        let rules = Rules::for_generation(Generation::Timpush);
        let change = Change::checked_add(&rules, "u", [b"a".as_slice(), b"a", b"b"]).unwrap();
        assert_eq!(change, Change::add("u", ["a", "b"]));
        let invalid = Change::checked_remove(&rules, "u", [b"a".as_slice(), b"\xff"]).unwrap_err();
        assert_eq!(
            invalid.violations()[0].to_string(),
            "tags[1]: not UTF-8 from byte 0 on"
        );
        assert!(Change::checked_clear(&rules, "").is_err());
        assert_eq!(
            Change::checked_clear(&rules, "u").unwrap(),
            Change::clear("u")
        );
    }

    #[test]
    fn tags_that_stand_twice_count_once_few_or_many() {
        for count in [3, 40] {
            let twice = tags(count).into_iter().chain(tags(count));
            assert_eq!(Change::add("u", twice).tags(), tags(count));
        }
    }

    #[test]
    fn ten_tags_are_a_slot_and_eleven_two() {
        let slots = |count| Change::add("u", tags(count)).slots(&Rules::default());
        assert_eq!([9, 10, 11, 100].map(slots), [1, 1, 2, 10]);
        assert_eq!(Change::clear("u").slots(&Rules::default()), 1);
    }
}
