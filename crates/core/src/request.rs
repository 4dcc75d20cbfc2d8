//! The four requests. Each is valid by construction, so writing it as JSON cannot fail. It borrows all strings, so
//! none is copied before it is written.
//!
//! A request is an operation and one of two bodies (`checked.rs`). To add a fifth operation, add a row to the table of
//! operations and a type here.

use crate::checked::Checked;
use crate::plan::Batch;
use crate::{Account, ChangeOperation, Invalid, Operation, Rules, Text, UserTags};

/// What all requests share: enough to check one again, to send it, and to read its answer.
pub trait Request: sealed::Sealed {
    /// The operation of the request.
    const OPERATION: Operation;

    #[doc(hidden)]
    fn checked(&self) -> &Checked<'_>;

    /// The rules by which the request was checked.
    fn rules(&self) -> &Rules {
        self.checked().rules()
    }

    /// Checks the request again by other rules, such as those of the client that sends it. Places are positions in the
    /// request as it is: duplicated tags were dropped when it was made, and do not count.
    ///
    /// # Errors
    /// With every violation at once.
    fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        self.checked().check(rules)
    }

    /// The accounts of the request, at least one, each once, in the caller's order.
    fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        self.checked().accounts()
    }

    /// Writes the request's body as JSON after what `out` holds.
    fn write_body(&self, out: &mut Vec<u8>) {
        self.checked().write_body(out);
    }
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
                Checked::users(rules, false, users).map($request)
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
                Checked::lone_accounts(rules, accounts).map($request)
            }
        }
    };
    ($(#[$doc:meta])* $request:ident, $operation:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $request<'a>(Checked<'a>);

        impl sealed::Sealed for $request<'_> {}

        impl Request for $request<'_> {
            const OPERATION: Operation = $operation;

            fn checked(&self) -> &Checked<'_> {
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

/// The request of a batch, whose changes were checked when they were made. It is not checked again.
#[derive(Debug)]
pub enum BatchRequest<'b> {
    /// Adds tags.
    Add(AddTags<'b>),
    /// Removes tags.
    Remove(RemoveTags<'b>),
    /// Removes all tags.
    Clear(ClearTags<'b>),
}

impl<'b> BatchRequest<'b> {
    /// `rules`: those of the plan and of its changes.
    #[must_use]
    pub fn new(rules: &Rules, batch: &'b Batch) -> BatchRequest<'b> {
        let slots = batch.slots();
        match batch.operation() {
            ChangeOperation::Add => BatchRequest::Add(AddTags(Checked::from_slots(rules, slots))),
            ChangeOperation::Remove => {
                BatchRequest::Remove(RemoveTags(Checked::from_slots(rules, slots)))
            }
            ChangeOperation::Clear => {
                BatchRequest::Clear(ClearTags(Checked::from_accounts_of(rules, slots)))
            }
        }
    }
}

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
        Checked::users(rules, true, users).map(AddTags)
    }
}

mod sealed {
    pub trait Sealed {}
}
