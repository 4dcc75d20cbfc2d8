//! The documented numbers of the service, each in this place only, and the rules that a request is checked by.
//!
//! Source of every number: the im_add_tag page of the service's documentation, but for the account's length
//! (the pages on UserIDs) and the tags of an app (the timpush pages).

use crate::Generation;

/// What the service takes at most. [`Limits::DOCUMENTED`] is what its pages state today; a plan that grants
/// more is a matter of changing a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Users in one request.
    pub users_per_request: usize,
    /// Tags of one user in one request.
    pub tags_per_user_and_request: usize,
    /// Tags that a user carries.
    pub tags_per_user: usize,
    /// Bytes of a tag, in UTF-8.
    pub tag_bytes: usize,
    /// Bytes of an account (a UserID), in UTF-8. The `timpush` paths also take RegistrationIDs, whose length
    /// nobody states: there only an empty one is refused.
    pub account_bytes: usize,
    /// Distinct tags of an app; counted on the `timpush` paths only.
    pub tags_per_app: usize,
    /// Calls a second of one operation, for the whole app.
    pub calls_per_second: u32,
}

impl Limits {
    /// What the service's pages state.
    pub const DOCUMENTED: Limits = Limits {
        users_per_request: 100,
        tags_per_user_and_request: 10,
        tags_per_user: 100,
        tag_bytes: 50,
        account_bytes: 32,
        tags_per_app: 1_000,
        calls_per_second: 100,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DOCUMENTED
    }
}

/// What a request is checked by: the limits, and the generation of paths that it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The generation of paths.
    pub generation: Generation,
    /// The numbers.
    pub limits: Limits,
}

impl Rules {
    /// The documented limits on the given generation of paths.
    #[must_use]
    pub fn of(generation: Generation) -> Rules {
        Rules {
            generation,
            limits: Limits::DOCUMENTED,
        }
    }
}
