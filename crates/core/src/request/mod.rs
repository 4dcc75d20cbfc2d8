//! The four requests. Each is its JSON, written while its texts are checked, so that each text is read once and copied
//! once. It is valid by construction.
//!
//! A request is an operation and a body: users with their tags, or accounts alone. To add a fifth operation, add a row to
//! the table of operations and a type here.

mod body;
mod json;
#[cfg(test)]
mod tests;

use crate::limits::Rules;
use crate::operation::Operation;
use crate::text::{Account, Text};
use crate::violation::Invalid;

pub(crate) use body::{Body, Form};

/// What all requests share: enough to check one again, to send it, and to read its answer.
pub trait Request {
    // no other crate can name the type, so none has a request of its own
    #[doc(hidden)]
    fn body(&self) -> &Body<'_>;

    /// The operation of the request.
    fn operation(&self) -> Operation {
        self.body().form.operation()
    }

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
    fn accounts(&self) -> &[Account<'_>] {
        &self.body().accounts
    }

    /// The request's body as JSON.
    fn json(&self) -> &[u8] {
        &self.body().json
    }
}

impl Request for Body<'_> {
    fn body(&self) -> &Body<'_> {
        self
    }
}

/// Declares a request and its two constructors: `new` by the documented rules, `with_rules` by others.
macro_rules! request {
    ($(#[$doc:meta])* $request:ident, $form:expr, of users) => {
        request!($(#[$doc])* $request, $form);

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
                Body::users(rules, $form, users).map($request)
            }
        }
    };
    ($(#[$doc:meta])* $request:ident, $form:expr, of accounts) => {
        request!($(#[$doc])* $request, $form);

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
                Body::accounts(rules, $form, accounts).map($request)
            }
        }
    };
    ($(#[$doc:meta])* $request:ident, $form:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $request<'a>(pub(crate) Body<'a>);

        impl $request<'_> {
            /// The operation of each request of this type.
            pub const OPERATION: Operation = $form.operation();
        }

        impl Request for $request<'_> {
            fn body(&self) -> &Body<'_> {
                &self.0
            }
        }
    };
}

request!(
    /// Adds tags to users: at most 100 users, 10 tags each. Adding a tag that is already there changes nothing.
    AddTags, Form::Add, of users
);
request!(
    /// Removes tags from users: at most 100 users, 10 tags each.
    RemoveTags, Form::Remove, of users
);
request!(
    /// Reads the tags of users: at most 100.
    GetTags, Form::Get, of accounts
);
request!(
    /// Removes all tags of users: at most 100.
    ClearTags, Form::Clear, of accounts
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
        Body::users(rules, Form::Replace, users).map(AddTags)
    }
}
