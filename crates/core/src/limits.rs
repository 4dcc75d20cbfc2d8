//! The documented numbers of the service, each in this place only, and the rules that a request is checked by.
//!
//! Source of every number: the im_add_tag page of the service's documentation. Two come from other pages: the
//! account's length (the pages on UserIDs) and the tags of an app (the timpush pages).

use crate::Generation;

/// The limits of the service. [`Limits::DOCUMENTED`] is what its pages state today. Where a plan grants more, change
/// the field.
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
    /// no page states: there only an empty one is refused.
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

/// A limit that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// No limit has this name.
    #[error("there is no limit {0:?}: use one of {names}", names = Limits::NAMES.join(", "))]
    Unknown(String),
    /// With a limit of 0 nothing could be sent.
    #[error("the limit {0} is 0: set 1 or more")]
    Zero(&'static str),
}

impl Limits {
    /// The names that [`set`](Limits::set) takes: the fields by which a request is checked.
    pub const NAMES: [&str; 5] = [
        "users_per_request",
        "tags_per_user_and_request",
        "tags_per_user",
        "tag_bytes",
        "account_bytes",
    ];

    /// Sets a limit by its name, for settings that come as text.
    ///
    /// ```
    /// use imtag_core::{AddTags, Limits, Rules};
    ///
    /// let mut rules = Rules::default();
    /// rules.limits.set("tag_bytes", 60)?;
    /// assert!(AddTags::with_rules(&rules, [("xiaojun012", ["x".repeat(60).as_str()])]).is_ok());
    /// # Ok::<(), imtag_core::InvalidLimit>(())
    /// ```
    ///
    /// # Errors
    /// For a name that no limit of a request has, and for 0.
    pub fn set(&mut self, name: &str, value: usize) -> Result<(), InvalidLimit> {
        let limits = [
            &mut self.users_per_request,
            &mut self.tags_per_user_and_request,
            &mut self.tags_per_user,
            &mut self.tag_bytes,
            &mut self.account_bytes,
        ];
        let mut named = Limits::NAMES.into_iter().zip(limits);
        let Some((name, limit)) = named.find(|(known, _)| *known == name) else {
            return Err(InvalidLimit::Unknown(name.to_owned()));
        };
        if value == 0 {
            return Err(InvalidLimit::Zero(name));
        }
        *limit = value;
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DOCUMENTED
    }
}

/// The rules by which a request is checked: the limits, and the generation of paths that it is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The generation of paths.
    pub generation: Generation,
    /// The numbers.
    pub limits: Limits,
}

impl Rules {
    /// The documented limits, for this generation of paths.
    #[must_use]
    pub fn for_generation(generation: Generation) -> Rules {
        Rules {
            generation,
            limits: Limits::DOCUMENTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_the_name_of_its_field_and_no_other() {
        let mut limits = Limits::DOCUMENTED;
        for (value, name) in (1..).zip(Limits::NAMES) {
            limits.set(name, value).unwrap();
        }
        let expected = Limits {
            users_per_request: 1,
            tags_per_user_and_request: 2,
            tags_per_user: 3,
            tag_bytes: 4,
            account_bytes: 5,
            ..Limits::DOCUMENTED
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_limit_that_cannot_be_set_says_what_can_be() {
        let mut limits = Limits::DOCUMENTED;
        assert_eq!(
            limits.set("users", 1).unwrap_err().to_string(),
            "there is no limit \"users\": use one of users_per_request, tags_per_user_and_request, \
             tags_per_user, tag_bytes, account_bytes"
        );
        assert_eq!(
            limits.set("tag_bytes", 0).unwrap_err().to_string(),
            "the limit tag_bytes is 0: set 1 or more"
        );
        assert_eq!(limits, Limits::DOCUMENTED);
    }
}
