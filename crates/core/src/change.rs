//! A change of one user's tags, as bulk runs and batchers take it. It may have more tags than a request takes of one user:
//! the plan distributes them over requests.
//!
//! ```text
//! ChangeRequest ── check, once, by the client's rules ─┬─► Change          goes into the plan
//!                                                      └─► InvalidChange   has its outcome at once
//! ```

use std::ops::Deref;
use std::sync::Arc;

use crate::limits::Rules;
use crate::operation::ChangeOperation;
use crate::seen::Seen;
use crate::violation::{Check, Invalid, Place, Problem, Violation};

/// To add tags to a user, to remove some, or to remove all. Bulk runs and batchers check it when they take it.
///
/// ```
/// use imtag_core::{ChangeRequest, Rules};
///
/// let change = ChangeRequest::add("xiaojun012", ["vip", "beijing", "vip"]).check(&Rules::default())?;
/// assert_eq!(change.tags(), ["vip", "beijing"]); // a set
///
/// let invalid = ChangeRequest::add("xiaojun012", ["x".repeat(51)]).check(&Rules::default()).unwrap_err();
/// assert_eq!(invalid.request().account(), "xiaojun012");
/// assert_eq!(invalid.violations()[0].to_string(), "tags[0]: 51 bytes, at most 50");
/// # Ok::<(), imtag_core::InvalidChange>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    operation: ChangeOperation,
    account: String,
    tags: Vec<String>,
    /// Which texts were made of bytes that are not UTF-8, a violation like any other: the account, or the tag at this
    /// position. Each with how many bytes before the first wrong one are UTF-8.
    not_utf8: Vec<(Option<usize>, usize)>,
}

/// A change that keeps to the rules. [`ChangeRequest::check`] makes it, so what holds it does not check it again. A clone
/// shares the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(Arc<ChangeRequest>);

/// A change that breaks the rules, with all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invalid}")]
pub struct InvalidChange {
    request: ChangeRequest,
    #[source]
    invalid: Invalid,
}

impl ChangeRequest {
    /// Adds tags to a user: at most as many as a user carries, which is 100.
    pub fn add<T: Into<String>>(
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Add, account, tags)
    }

    /// Removes tags from a user: any number.
    pub fn remove<T: Into<String>>(
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Remove, account, tags)
    }

    /// Removes all tags of a user.
    pub fn clear(account: impl Into<String>) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Clear, account, None::<String>)
    }

    /// A change of text that may not be UTF-8: [`check`](ChangeRequest::check) says where it is not, and
    /// [`account`](ChangeRequest::account) and [`tags`](ChangeRequest::tags) show as much of it as they can. A clear takes
    /// no tags.
    pub fn from_bytes<'a>(
        operation: ChangeOperation,
        account: &[u8],
        tags: impl IntoIterator<Item = &'a [u8]>,
    ) -> ChangeRequest {
        let mut not_utf8 = Vec::new();
        let mut text = |bytes: &[u8], tag| {
            if let Err(error) = std::str::from_utf8(bytes) {
                not_utf8.push((tag, error.valid_up_to()));
            }
            String::from_utf8_lossy(bytes).into_owned()
        };
        let account = text(account, None);
        let tags = tags.into_iter().enumerate();
        let tags = tags.map(|(at, tag)| text(tag, Some(at)));
        let request = ChangeRequest::new(operation, account, tags);
        ChangeRequest {
            not_utf8,
            ..request
        }
    }

    fn new<T: Into<String>>(
        operation: ChangeOperation,
        account: impl Into<String>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        let tags = tags.into_iter().map(Into::into);
        ChangeRequest {
            operation,
            account: account.into(),
            tags: match operation {
                ChangeOperation::Add | ChangeOperation::Remove => tags.collect(),
                ChangeOperation::Clear => Vec::new(),
            },
            not_utf8: Vec::new(),
        }
    }

    /// The operation.
    #[must_use]
    pub fn operation(&self) -> ChangeOperation {
        self.operation
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The tags, in the order given; none of a clear. Each stands once after the check.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Makes a change of it, if it keeps to `rules`. Tags that stand twice are dropped.
    ///
    /// # Errors
    /// With every violation at once, at the positions in which the tags were given.
    pub fn check(mut self, rules: &Rules) -> Result<Change, InvalidChange> {
        let (distinct, valid) = self.find_violations(rules);
        // distinct is fewer for tags that stand twice, and for invalid ones
        if distinct < self.tags.len() {
            self.drop_repeated();
        }
        match valid {
            Ok(()) => Ok(Change(Arc::new(self))),
            Err(invalid) => Err(InvalidChange {
                request: self,
                invalid,
            }),
        }
    }

    /// How many different tags are good, and all that is wrong.
    fn find_violations(&self, rules: &Rules) -> (usize, Result<(), Invalid>) {
        // sorted: the account, then the tags by their positions
        let text = |text, tag| match self.not_utf8.binary_search_by_key(&tag, |it| it.0) {
            Ok(found) => Err(self.not_utf8[found].1),
            Err(_) => Ok(text),
        };
        let mut check = Check::new(rules);
        check.account(text(self.account.as_str(), None), Place::LoneAccount);
        let tags = self.tags.iter().enumerate();
        let tags = tags.map(|(at, tag)| text(tag, Some(at)));
        let most = match self.operation {
            ChangeOperation::Add => rules.limits.tags_per_user,
            ChangeOperation::Remove => usize::MAX,
            ChangeOperation::Clear => return (0, check.finish()),
        };
        let too_many = |count| Problem::too_many_to_carry(count, most);
        let mut distinct = 0;
        let count = |_| distinct += 1;
        check.tags(tags, Place::ChangeTags, Place::ChangeTag, too_many, count);
        (distinct, check.finish())
    }

    fn drop_repeated(&mut self) {
        let firsts: Vec<bool> = {
            let mut seen = Seen::default();
            let tags = self.tags.iter().enumerate();
            let firsts = tags.map(|(index, tag)| seen.before(tag, index).is_none());
            firsts.collect()
        };
        let mut firsts = firsts.into_iter();
        self.tags.retain(|_| firsts.next() == Some(true));
    }
}

impl Change {
    /// What it was made of, without a copy.
    #[must_use]
    pub fn into_request(self) -> Arc<ChangeRequest> {
        self.0
    }
}

impl Deref for Change {
    type Target = ChangeRequest;

    fn deref(&self) -> &ChangeRequest {
        &self.0
    }
}

impl InvalidChange {
    /// The change. Bytes that are not UTF-8 are shown as far as they can be.
    #[must_use]
    pub fn request(&self) -> &ChangeRequest {
        &self.request
    }

    /// All violations. Never empty.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.invalid.violations()
    }

    /// The change, and what is wrong with it.
    #[must_use]
    pub fn into_parts(self) -> (ChangeRequest, Invalid) {
        (self.request, self.invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(count: usize) -> Vec<String> {
        (0..count).map(|tag| format!("t{tag}")).collect()
    }

    fn checked(request: ChangeRequest) -> Result<Change, String> {
        request.check(&Rules::default()).map_err(|invalid| {
            let violations = invalid.violations().iter().map(ToString::to_string);
            violations.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn a_user_gets_as_many_tags_as_it_carries_and_not_one_more() {
        for count in [1, 99, 100] {
            assert!(checked(ChangeRequest::add("u", tags(count))).is_ok());
        }
        assert_eq!(
            checked(ChangeRequest::add("u", tags(101))).unwrap_err(),
            "tags: 101 given, at most 100"
        );
        assert!(checked(ChangeRequest::remove("u", tags(101))).is_ok());
    }

    #[test]
    fn every_violation_is_found_at_once() {
        let request = ChangeRequest::add("x".repeat(33), ["a", "", &"é".repeat(26)]);
        assert_eq!(
            checked(request).unwrap_err(),
            "account: 33 bytes, at most 32; tags[1]: empty, at least 1 byte; tags[2]: 52 bytes, at most 50"
        );
        assert_eq!(
            checked(ChangeRequest::remove("", [""; 0])).unwrap_err(),
            "account: empty, at least 1 byte; tags: none given, at least 1"
        );
        assert!(checked(ChangeRequest::clear("")).is_err());
    }

    #[test]
    fn a_violation_is_at_the_position_that_the_caller_gave_and_the_change_keeps_each_tag_once() {
        let request = ChangeRequest::add("u", ["a", "a", "", "b"]);
        let invalid = request.check(&Rules::default()).unwrap_err();
        assert_eq!(
            invalid.violations()[0].to_string(),
            "tags[2]: empty, at least 1 byte"
        );
        assert_eq!(invalid.request().tags(), ["a", "", "b"]);
    }

    #[test]
    fn bytes_are_checked_as_text_is() {
        use ChangeOperation::{Add, Clear, Remove};
        let from = |operation, tags: &[&'static [u8]]| {
            let request = ChangeRequest::from_bytes(operation, b"u", tags.iter().copied());
            checked(request).unwrap()
        };
        assert_eq!(
            from(Add, &[b"a", b"a", b"b"]),
            checked(ChangeRequest::add("u", ["a", "b"])).unwrap()
        );
        assert_eq!(
            from(Remove, &[b"a"]),
            checked(ChangeRequest::remove("u", ["a"])).unwrap()
        );
        assert_eq!(
            from(Clear, &[]),
            checked(ChangeRequest::clear("u")).unwrap()
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_one_fault_among_others_and_are_shown_as_far_as_they_can_be() {
        let tags = [b"vip".as_slice(), b"a\xff", b"", b"\xff"];
        let request = ChangeRequest::from_bytes(ChangeOperation::Add, b"u\xff", tags);
        let invalid = request.check(&Rules::default()).unwrap_err();
        let violations = invalid.violations().iter().map(ToString::to_string);
        assert!(violations.eq([
            "account: not UTF-8 from byte 1 on",
            "tags[1]: not UTF-8 from byte 1 on",
            "tags[2]: empty, at least 1 byte",
            "tags[3]: not UTF-8 from byte 0 on",
        ]));
        assert_eq!(invalid.request().account(), "u\u{fffd}");
        assert_eq!(
            invalid.request().tags(),
            ["vip", "a\u{fffd}", "", "\u{fffd}"]
        );
    }

    #[test]
    fn tags_that_stand_twice_count_once_few_or_many() {
        for count in [3, 40, 100] {
            let twice = tags(count).into_iter().chain(tags(count));
            let change = checked(ChangeRequest::add("u", twice)).unwrap();
            assert_eq!(change.tags(), tags(count));
        }
    }
}
