//! The four requests. Each is valid by construction, so writing it as JSON cannot fail. It borrows all strings, so
//! none is copied before it is written.
//!
//! A request is an operation and a body: users with their tags, or accounts alone. To add a fifth operation, add a row to
//! the table of operations and a type here.

mod json;
#[cfg(test)]
mod tests;

use crate::limits::Rules;
use crate::operation::{Generation, Operation};
use crate::text::{Account, Tag, Text, UserTags};
use crate::violation::{Check, Invalid, Place, Problem};

/// What all requests share: enough to check one again, to send it, and to read its answer.
pub trait Request {
    /// The operation of the request.
    const OPERATION: Operation;

    // no other crate can name the type, so none has a request of its own
    #[doc(hidden)]
    fn body(&self) -> &Body<'_>;

    /// The rules by which the request was checked.
    fn rules(&self) -> &Rules {
        &self.body().rules
    }

    /// Checks the request again by other rules, such as those of the client that sends it. Places are positions in the
    /// request as it is: duplicated tags were dropped when it was made, and do not count.
    ///
    /// # Errors
    /// With every violation at once.
    fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        self.body().check(rules)
    }

    /// The accounts of the request, at least one, each once, in the caller's order.
    fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        self.body().users.iter().map(|(account, _)| *account)
    }

    /// Writes the request's body as JSON after what `out` holds.
    fn write_body(&self, out: &mut Vec<u8>) {
        self.body().write(out);
    }
}

/// A body that was checked, and the rules by which it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body<'a> {
    rules: Rules,
    form: Form,
    /// Each account, and where its tags end in `tags`: two allocations for any number of users.
    users: Vec<(Account<'a>, usize)>,
    tags: Vec<Tag<'a>>,
}

/// Users that memory is reserved for before they are read: what the caller says of their number is only believed so far.
const EXPECTED: usize = 128;
/// And so many tags.
const EXPECTED_TAGS: usize = 10 * EXPECTED;

/// What is written of the users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each with its tags.
    Users,
    /// Each with its tags, which replace those that it has.
    Replacements,
    /// The accounts alone.
    Accounts,
}

impl<'a> Body<'a> {
    fn users<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
        rules: &Rules,
        form: Form,
        given: impl IntoIterator<Item = (A, Tags)>,
    ) -> Result<Body<'a>, Invalid> {
        let mut check = Check::new(rules);
        let limits = &rules.limits;
        if form == Form::Replacements && rules.generation != Generation::Timpush {
            check.found(Place::Replace, Problem::NeedsTimpush);
        }
        let given = given.into_iter();
        let expected = given.size_hint().0.min(EXPECTED);
        check.reserve_accounts(expected);
        let (mut users, mut tags, mut count) = (Vec::with_capacity(expected), Vec::new(), 0);
        for (user, (account, given_tags)) in given.enumerate() {
            count += 1;
            let given_tags = given_tags.into_iter();
            if user == 0 {
                // most users have as many tags as the first
                let of_all = expected.saturating_mul(given_tags.size_hint().0);
                tags.reserve_exact(of_all.min(EXPECTED_TAGS));
            }
            let account = check.next_account(account, user, Place::UserAccount(user));
            check.tags(
                given_tags,
                Place::UserTags(user),
                |tag| Place::UserTag(user, tag),
                |count| match form {
                    Form::Replacements => Problem::too_many_to_carry(count, limits.tags_per_user),
                    _ => Problem::too_many(count, limits.tags_per_user_and_request),
                },
                |tag| tags.push(tag),
            );
            users.extend(account.map(|account| (account, tags.len())));
        }
        finish(check, rules, Place::Users, count)?;
        Ok(Body {
            rules: *rules,
            form,
            users,
            tags,
        })
    }

    fn accounts<A: Text<'a>>(
        rules: &Rules,
        given: impl IntoIterator<Item = A>,
    ) -> Result<Body<'a>, Invalid> {
        let mut check = Check::new(rules);
        let given = given.into_iter();
        let expected = given.size_hint().0.min(EXPECTED);
        check.reserve_accounts(expected);
        let (mut users, mut count) = (Vec::with_capacity(expected), 0);
        for (index, account) in given.enumerate() {
            count += 1;
            let account = check.next_account(account, index, Place::Account(index));
            users.extend(account.map(|account| (account, 0)));
        }
        finish(check, rules, Place::Accounts, count)?;
        Ok(Body {
            rules: *rules,
            form: Form::Accounts,
            users,
            tags: Vec::new(),
        })
    }

    /// A body of users who were checked by these rules one by one.
    pub(crate) fn from_checked<Tags: Iterator<Item = &'a str>>(
        rules: &Rules,
        form: Form,
        checked: impl Iterator<Item = (&'a str, Tags)>,
    ) -> Body<'a> {
        let mut tags = Vec::new();
        let users = checked.map(|(account, tags_of_user)| {
            tags.extend(tags_of_user.map(Tag));
            (Account(account), tags.len())
        });
        let users = users.collect();
        Body {
            rules: *rules,
            form,
            users,
            tags,
        }
    }

    fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        let checked = match self.form {
            Form::Users | Form::Replacements => {
                let users = self
                    .users_with_tags()
                    .map(|user| (user.account.as_str(), user.tags.iter().map(Tag::as_str)));
                Body::users(rules, self.form, users)
            }
            Form::Accounts => {
                let accounts = self.users.iter().map(|(account, _)| account.as_str());
                Body::accounts(rules, accounts)
            }
        };
        checked.map(|_| ())
    }

    fn users_with_tags(&self) -> impl ExactSizeIterator<Item = UserTags<'_, 'a>> {
        let users = self.users.iter().enumerate();
        users.map(|(at, (account, end))| {
            let start = at.checked_sub(1).map_or(0, |before| self.users[before].1);
            UserTags {
                account: *account,
                tags: &self.tags[start..*end],
            }
        })
    }

    /// The most bytes that stand around the texts.
    fn around(&self) -> usize {
        let (users, tags) = (self.users.len(), self.tags.len());
        if self.form == Form::Accounts {
            return r#"{"To_Account":[]}"#.len() + users * json::AROUND_TEXT;
        }
        let of_user = r#"{"To_Account":"","Tags":[]},"#.len();
        r#"{"UserTags":[],"Replace":1}"#.len() + users * of_user + tags * json::AROUND_TEXT
    }

    fn write(&self, out: &mut Vec<u8>) {
        let accounts = || self.users.iter().map(|(account, _)| account.as_str());
        let texts = accounts().chain(self.tags.iter().map(Tag::as_str));
        json::reserve(out, self.around(), texts);
        if self.form == Form::Accounts {
            out.extend_from_slice(br#"{"To_Account":"#);
            json::list(out, accounts());
            out.push(b'}');
            return;
        }
        out.extend_from_slice(br#"{"UserTags":["#);
        for (at, user) in self.users_with_tags().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"To_Account":"#);
            json::string(out, user.account.as_str());
            out.extend_from_slice(br#","Tags":"#);
            json::list(out, user.tags.iter().map(Tag::as_str));
            out.push(b'}');
        }
        out.push(b']');
        if self.form == Form::Replacements {
            out.extend_from_slice(br#","Replace":1"#);
        }
        out.push(b'}');
    }
}

fn finish(mut check: Check, rules: &Rules, list: Place, count: usize) -> Result<(), Invalid> {
    let problem = if count == 0 {
        Some(Problem::None)
    } else {
        Problem::too_many(count, rules.limits.users_per_request)
    };
    if let Some(problem) = problem {
        check.found(list, problem);
    }
    check.finish()
}

/// Declares a request and its two constructors: `new` by the documented rules, `with_rules` by others.
macro_rules! request {
    ($(#[$doc:meta])* $request:ident, $operation:expr, of users) => {
        request!($(#[$doc])* $request, $operation);

        impl<'a> $request<'a> {
            /// Makes a request of users and their tags, by the documented limits, for the `all_member_push`
            /// paths. Duplicated tags of a user are dropped.
            ///
            /// # Errors
            /// With every violation at once.
            pub fn new<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
                users: impl IntoIterator<Item = (A, Tags)>,
            ) -> Result<Self, Invalid> {
                Self::with_rules(&Rules::default(), users)
            }

            /// As `new`, by other rules: other limits, or the `timpush` paths.
            ///
            /// # Errors
            /// With every violation at once.
            pub fn with_rules<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
                rules: &Rules,
                users: impl IntoIterator<Item = (A, Tags)>,
            ) -> Result<Self, Invalid> {
                Body::users(rules, Form::Users, users).map($request)
            }

            /// The users with their tags, each tag once.
            pub fn users(&self) -> impl Iterator<Item = UserTags<'_, 'a>> {
                self.0.users_with_tags()
            }
        }
    };
    ($(#[$doc:meta])* $request:ident, $operation:expr, of accounts) => {
        request!($(#[$doc])* $request, $operation);

        impl<'a> $request<'a> {
            /// Makes a request of accounts, by the documented limits, for the `all_member_push` paths.
            ///
            /// # Errors
            /// With every violation at once.
            pub fn new<A: Text<'a>>(
                accounts: impl IntoIterator<Item = A>,
            ) -> Result<Self, Invalid> {
                Self::with_rules(&Rules::default(), accounts)
            }

            /// As `new`, by other rules: other limits, or the `timpush` paths.
            ///
            /// # Errors
            /// With every violation at once.
            pub fn with_rules<A: Text<'a>>(
                rules: &Rules,
                accounts: impl IntoIterator<Item = A>,
            ) -> Result<Self, Invalid> {
                Body::accounts(rules, accounts).map($request)
            }
        }
    };
    ($(#[$doc:meta])* $request:ident, $operation:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $request<'a>(pub(crate) Body<'a>);

        impl Request for $request<'_> {
            const OPERATION: Operation = $operation;

            fn body(&self) -> &Body<'_> {
                &self.0
            }
        }
    };
}

request!(
    /// Adds tags to users: at most 100 users, 10 tags each. Adding a tag that is already there changes nothing.
    AddTags, Operation::Add, of users
);
request!(
    /// Removes tags from users: at most 100 users, 10 tags each.
    RemoveTags, Operation::Remove, of users
);
request!(
    /// Reads the tags of users: at most 100.
    GetTags, Operation::Get, of accounts
);
request!(
    /// Removes all tags of users: at most 100.
    ClearTags, Operation::Clear, of accounts
);

impl<'a> AddTags<'a> {
    /// Makes a request that replaces all tags of the users by these, at most 100 a user. Only the `timpush` paths can
    /// do so; on the others it is a violation.
    ///
    /// ```
    /// use imtag_core::{AddTags, Generation, Rules};
    ///
    /// let timpush = Rules::for_generation(Generation::Timpush);
    /// assert!(AddTags::replacing(&timpush, [("xiaojun012", ["vip"])]).is_ok());
    ///
    /// let invalid = AddTags::replacing(&Rules::default(), [("xiaojun012", ["vip"])]).unwrap_err();
    /// assert_eq!(
    ///     invalid.violations()[0].to_string(),
    ///     "replace: not possible on the all_member_push paths"
    /// );
    /// ```
    ///
    /// # Errors
    /// With every violation at once.
    pub fn replacing<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
        rules: &Rules,
        users: impl IntoIterator<Item = (A, Tags)>,
    ) -> Result<AddTags<'a>, Invalid> {
        Body::users(rules, Form::Replacements, users).map(AddTags)
    }
}
