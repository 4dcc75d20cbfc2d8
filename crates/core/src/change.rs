//! A change of one user's tags, as bulk runs and batchers take it. It may have more tags than a request takes of one user:
//! the plan distributes them over requests.
//!
//! ```text
//! ChangeRequest ── check, once, by the client's rules ─┬─► Change          goes into the plan
//!                                                      └─► InvalidChange   has its outcome at once
//! ```

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::limits::Rules;
use crate::operation::ChangeOperation;
use crate::seen::Seen;
use crate::text::Check;
use crate::violation::{Invalid, Place, Problem, Violation};

/// What is reserved for a change's tags before they are read: what the caller says of their number, and the first one of
/// their length, is only believed so far. A little more, so that most are not longer.
const EXPECTED_TAGS: usize = 100;
const EXPECTED_BYTES: usize = 50;
const SPARE_BYTES: usize = 4;

/// To add tags to a user, to remove some or all, or to replace all. Bulk runs and batchers check it when they take it.
///
/// ```
/// use imtag_core::{ChangeRequest, Rules};
///
/// let change = ChangeRequest::add("xiaojun012", ["vip", "beijing", "vip"]).check(&Rules::default())?;
/// assert!(change.tags().eq(["vip", "beijing"])); // a set
///
/// let invalid = ChangeRequest::add("xiaojun012", ["x".repeat(51)]).check(&Rules::default()).unwrap_err();
/// assert_eq!(invalid.request().account(), "xiaojun012");
/// assert_eq!(invalid.violations()[0].to_string(), "tags[0]: 51 bytes, at most 50");
/// # Ok::<(), imtag_core::InvalidChange>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    operation: ChangeOperation,
    /// The account and then the tags, one after the other: one allocation for all of a user.
    text: String,
    account_end: usize,
    /// Where each tag ends. The last one does at the end of the text, and is not here: so a lone tag, as most changes have,
    /// needs no list.
    ends: Vec<usize>,
    tag_count: usize,
    /// Which texts were made of bytes that are not UTF-8, a violation like any other: the account, or the tag at this
    /// position. Each with how many bytes before the first wrong one are UTF-8.
    not_utf8: Vec<(Option<usize>, usize)>,
}

/// The tags of a change, in the order given. A clone of it begins at the same tag.
#[derive(Clone, Default)]
pub struct Tags<'c> {
    text: &'c str,
    account_end: usize,
    ends: &'c [usize],
    /// All of the change.
    count: usize,
    /// Those that are left.
    positions: Range<usize>,
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
    pub fn add<T: AsRef<str>>(
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Add, account, tags)
    }

    /// Removes tags from a user: any number.
    pub fn remove<T: AsRef<str>>(
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Remove, account, tags)
    }

    /// Removes all tags of a user.
    pub fn clear(account: impl AsRef<str>) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Clear, account, None::<&str>)
    }

    /// Replaces the tags of a user: afterwards it has these and no others. It has as many as a user carries, which is 100,
    /// and at least one: [`clear`](ChangeRequest::clear) is for none. Only the `timpush` paths can do so; on the others it
    /// is invalid.
    ///
    /// It goes in one request whole, behind the account's earlier changes and before its later ones. To the service it is
    /// an add, and so is what is said of one that failed. If that is *possibly applied*, the tags that the user had may
    /// be gone.
    ///
    /// ```
    /// use imtag_core::{ChangeRequest, Generation, Rules};
    ///
    /// let timpush = Rules::for_generation(Generation::Timpush);
    /// assert!(ChangeRequest::replace("xiaojun012", ["vip"]).check(&timpush).is_ok());
    ///
    /// let invalid = ChangeRequest::replace("xiaojun012", ["vip"]).check(&Rules::default()).unwrap_err();
    /// assert_eq!(
    ///     invalid.violations()[0].to_string(),
    ///     "replace: not possible on the all_member_push paths"
    /// );
    /// ```
    pub fn replace<T: AsRef<str>>(
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        ChangeRequest::new(ChangeOperation::Replace, account, tags)
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
        let mut text = |bytes, tag| match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(error) => {
                not_utf8.push((tag, error.valid_up_to()));
                String::from_utf8_lossy(bytes)
            }
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

    /// The others' texts are expected to be about as long as the first one's, so that they are copied into memory that is
    /// allocated once.
    fn new<T: AsRef<str>>(
        operation: ChangeOperation,
        account: impl AsRef<str>,
        tags: impl IntoIterator<Item = T>,
    ) -> ChangeRequest {
        let (account, mut tags) = (account.as_ref(), tags.into_iter());
        let first = match operation {
            ChangeOperation::Add | ChangeOperation::Remove | ChangeOperation::Replace => {
                tags.next()
            }
            ChangeOperation::Clear => None,
        };
        let Some(first) = first else {
            return ChangeRequest {
                operation,
                text: account.to_owned(),
                account_end: account.len(),
                ends: Vec::new(),
                tag_count: 0,
                not_utf8: Vec::new(),
            };
        };
        let first = first.as_ref();
        let others = tags.size_hint().0.min(EXPECTED_TAGS);
        let of_others = others * (first.len().min(EXPECTED_BYTES) + SPARE_BYTES);
        let mut text = String::with_capacity(account.len() + first.len() + of_others);
        text.push_str(account);
        text.push_str(first);
        let mut ends = Vec::with_capacity(others);
        for tag in tags {
            ends.push(text.len());
            text.push_str(tag.as_ref());
        }
        ChangeRequest {
            operation,
            text,
            account_end: account.len(),
            tag_count: ends.len() + 1,
            ends,
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
        &self.text[..self.account_end]
    }

    /// The tags, in the order given; none of a clear. Each stands once in a [`Change`].
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        Tags {
            text: &self.text,
            account_end: self.account_end,
            ends: &self.ends,
            count: self.tag_count,
            positions: 0..self.tag_count,
        }
    }

    /// Makes a change of it, if it keeps to `rules`. Tags that stand twice are dropped.
    ///
    /// # Errors
    /// With every violation at once, at the positions in which the tags were given.
    pub fn check(mut self, rules: &Rules) -> Result<Change, InvalidChange> {
        let (distinct, valid) = self.find_violations(rules);
        if let Err(invalid) = valid {
            // as it was given: what is wrong is counted by these positions, here and in a second check
            return Err(InvalidChange {
                request: self,
                invalid,
            });
        }
        if distinct < self.tag_count {
            self = self.without_repeated();
        }
        Ok(Change(Arc::new(self)))
    }

    /// How many different tags there are, and all that is wrong.
    fn find_violations(&self, rules: &Rules) -> (usize, Result<(), Invalid>) {
        // sorted: the account, then the tags by their positions
        let text = |text, tag| match self.not_utf8.binary_search_by_key(&tag, |it| it.0) {
            Ok(found) => Err(self.not_utf8[found].1),
            Err(_) => Ok(text),
        };
        let mut check = Check::new(rules);
        if self.operation == ChangeOperation::Replace {
            check.replaces();
        }
        check.account(text(self.account(), None), Place::LoneAccount);
        let tags = self.tags().enumerate();
        let tags = tags.map(|(at, tag)| text(tag, Some(at)));
        let most = match self.operation {
            ChangeOperation::Add | ChangeOperation::Replace => rules.limits.tags_per_user,
            ChangeOperation::Remove => usize::MAX,
            ChangeOperation::Clear => return (0, check.finish()),
        };
        let too_many = |count| Problem::too_many_to_carry(count, most);
        let mut distinct = 0;
        let count = |_| distinct += 1;
        check.tags(tags, Place::ChangeTags, Place::ChangeTag, too_many, count);
        (distinct, check.finish())
    }

    fn without_repeated(&self) -> ChangeRequest {
        let mut seen = Seen::default();
        let tags = self.tags().enumerate();
        let firsts = tags.filter(|(index, tag)| seen.before(tag, *index).is_none());
        ChangeRequest::new(self.operation, self.account(), firsts.map(|(_, tag)| tag))
    }
}

impl fmt::Debug for ChangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeRequest")
            .field("operation", &self.operation)
            .field("account", &self.account())
            .field("tags", &self.tags())
            .finish()
    }
}

impl<'c> Tags<'c> {
    /// The tag at this position of the change.
    ///
    /// # Panics
    /// Where the change has fewer tags.
    #[must_use]
    pub fn at(&self, position: usize) -> &'c str {
        let count = self.count;
        assert!(
            position < count,
            "no tag {position}: the change has {count}"
        );
        let before = position.checked_sub(1);
        let start = before.map_or(self.account_end, |before| self.ends[before]);
        let end = self.ends.get(position).copied();
        &self.text[start..end.unwrap_or(self.text.len())]
    }

    /// Those at these positions of the change.
    pub(crate) fn within(self, positions: Range<usize>) -> Tags<'c> {
        Tags { positions, ..self }
    }
}

impl<'c> Iterator for Tags<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<&'c str> {
        let position = self.positions.next()?;
        Some(self.at(position))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl ExactSizeIterator for Tags<'_> {}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
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
#[path = "change_tests.rs"]
mod tests;
