//! Accounts and tags: text of the caller that was checked and is borrowed, so that it is copied only into the JSON of its
//! request. The one check of them is here, too.

use std::fmt;

use crate::limits::Rules;
use crate::operation::Generation;
use crate::seen::Seen;
use crate::violation::{Invalid, Place, Problem, Violation};

/// What may be given as an account or a tag: text, or bytes that may not be UTF-8. C callers have bytes only, and bytes that
/// are no text are a violation like any other.
pub trait Text<'a> {
    /// The text.
    ///
    /// # Errors
    /// Where it is not UTF-8: how many bytes before the first wrong one are.
    fn text(self) -> Result<&'a str, usize>;
}

impl<'a> Text<'a> for &'a str {
    fn text(self) -> Result<&'a str, usize> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a String {
    fn text(self) -> Result<&'a str, usize> {
        Ok(self)
    }
}

impl<'a> Text<'a> for &'a [u8] {
    fn text(self) -> Result<&'a str, usize> {
        std::str::from_utf8(self).map_err(|error| error.valid_up_to())
    }
}

/// Bytes that were read as text before.
impl<'a> Text<'a> for Result<&'a str, usize> {
    fn text(self) -> Result<&'a str, usize> {
        self
    }
}

impl<'a, T: Text<'a> + Copy> Text<'a> for &T {
    fn text(self) -> Result<&'a str, usize> {
        (*self).text()
    }
}

/// An account of the app: a UserID, or a RegistrationID on the `timpush` paths. It was checked when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account<'a>(pub(crate) &'a str);

/// A tag of a user. It was checked when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag<'a>(pub(crate) &'a str);

impl<'a> Account<'a> {
    /// Checks an account by `rules`: not empty, and on the `all_member_push` paths at most 32 bytes.
    ///
    /// # Errors
    /// With the one violation there is.
    pub fn new(text: impl Text<'a>, rules: &Rules) -> Result<Account<'a>, Invalid> {
        account(text, rules).map_err(|problem| lone(Place::LoneAccount, problem))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<'a> Tag<'a> {
    /// Checks a tag by `rules`: 1 to 50 bytes.
    ///
    /// # Errors
    /// With the one violation there is.
    pub fn new(text: impl Text<'a>, rules: &Rules) -> Result<Tag<'a>, Invalid> {
        let tag = bounded(text.text(), rules.limits.tag_bytes).map(Tag);
        tag.map_err(|problem| lone(Place::LoneTag, problem))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
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

fn lone(place: Place, problem: Problem) -> Invalid {
    Invalid {
        violations: vec![Violation { place, problem }],
    }
}

fn account<'a>(text: impl Text<'a>, rules: &Rules) -> Result<Account<'a>, Problem> {
    let most = match rules.generation {
        Generation::AllMemberPush => rules.limits.account_bytes,
        Generation::Timpush => usize::MAX,
    };
    bounded(text.text(), most).map(Account)
}

fn bounded(text: Result<&str, usize>, most: usize) -> Result<&str, Problem> {
    let text = text.map_err(|valid| Problem::NotUtf8 { valid })?;
    #[cfg(debug_assertions)]
    counted::count(text);
    match text.len() {
        0 => Err(Problem::Empty),
        bytes if bytes > most => Err(Problem::TooLong { bytes, most }),
        _ => Ok(text),
    }
}

/// A check under way: what it has seen, and what it has found wrong.
pub(crate) struct Check<'a, 'l> {
    rules: &'l Rules,
    accounts: Seen<'a>,
    /// Of one user, and used again for the next.
    tags: Seen<'a>,
    violations: Vec<Violation>,
}

impl<'a, 'l> Check<'a, 'l> {
    pub(crate) fn new(rules: &'l Rules) -> Self {
        Check {
            rules,
            accounts: Seen::default(),
            tags: Seen::default(),
            violations: Vec::new(),
        }
    }

    pub(crate) fn found(&mut self, place: Place, problem: Problem) {
        self.violations.push(Violation { place, problem });
    }

    /// # Errors
    /// Where anything was found.
    pub(crate) fn finish(self) -> Result<(), Invalid> {
        if self.violations.is_empty() {
            return Ok(());
        }
        Err(Invalid {
            violations: self.violations,
        })
    }

    /// Checks that tags can be replaced.
    pub(crate) fn replaces(&mut self) {
        if self.rules.generation != Generation::Timpush {
            self.found(Place::Replace, Problem::NeedsTimpush);
        }
    }

    /// Checks an account.
    pub(crate) fn account(&mut self, text: impl Text<'a>, place: Place) -> Option<Account<'a>> {
        let account = account(text, self.rules);
        account.map_err(|problem| self.found(place, problem)).ok()
    }

    /// Checks the account at this position of a request, which has each account once. It is returned as long as nothing at
    /// all is wrong, so that no more is written of a request that is refused.
    pub(crate) fn next_account(
        &mut self,
        text: impl Text<'a>,
        position: usize,
        place: Place,
    ) -> Option<Account<'a>> {
        let account = self.account(text, place)?;
        if let Some(first) = self.accounts.before(account.0, position) {
            self.found(place, Problem::Repeated { first });
        }
        self.violations.is_empty().then_some(account)
    }

    /// Checks the tags of one user: 1 to 50 bytes each. As long as nothing at all is wrong, each is handed to `keep` once, as
    /// the tags of a user are a set. `too_many` says what is wrong with so many different ones.
    pub(crate) fn tags<T: Text<'a>>(
        &mut self,
        texts: impl IntoIterator<Item = T>,
        list: Place,
        place: impl Fn(usize) -> Place,
        too_many: impl Fn(usize) -> Option<Problem>,
        mut keep: impl FnMut(Tag<'a>),
    ) {
        self.tags.clear();
        let (mut given, mut distinct) = (0, 0);
        for (index, text) in texts.into_iter().enumerate() {
            given += 1;
            match self.next_tag(text.text(), index) {
                Err(problem) => self.found(place(index), problem),
                Ok(Some(tag)) => {
                    distinct += 1;
                    if self.violations.is_empty() && too_many(distinct).is_none() {
                        keep(tag);
                    }
                }
                Ok(None) => {}
            }
        }
        self.list(list, given, too_many(distinct));
    }

    /// Checks the next tag of a user. `None`: the user has it already. It is never inlined, and so as fast as this crate is
    /// built to be, also for a caller that is built for size.
    #[inline(never)]
    fn next_tag(
        &mut self,
        text: Result<&'a str, usize>,
        index: usize,
    ) -> Result<Option<Tag<'a>>, Problem> {
        let tag = bounded(text, self.rules.limits.tag_bytes).map(Tag)?;
        Ok(self.tags.before(tag.0, index).is_none().then_some(tag))
    }

    /// Checks the number of a list's elements: at least one, and not too many.
    pub(crate) fn list(&mut self, list: Place, given: usize, too_many: Option<Problem>) {
        let problem = if given == 0 {
            Some(Problem::None)
        } else {
            too_many
        };
        if let Some(problem) = problem {
            self.found(list, problem);
        }
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
