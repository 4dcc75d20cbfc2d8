//! The eight routes.
//!
//! The table of paths is not the client's, so that a wrong path in that shows.

use std::fmt;

use imtag_core::{Generation, Operation};

/// One of the eight routes: an operation, in one generation of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// What the route does.
    pub operation: Operation,
    /// Whose path it is.
    pub generation: Generation,
}

/// Written out from the service's documentation, not taken from the client's table.
const TABLE: [(Operation, Generation, &str); 8] = {
    use Generation::{AllMemberPush, Timpush};
    use Operation::{Add, Clear, Get, Remove};
    [
        (Add, AllMemberPush, "/v4/all_member_push/im_add_tag"),
        (Get, AllMemberPush, "/v4/all_member_push/im_get_tag"),
        (Remove, AllMemberPush, "/v4/all_member_push/im_remove_tag"),
        (
            Clear,
            AllMemberPush,
            "/v4/all_member_push/im_remove_all_tags",
        ),
        (Add, Timpush, "/v4/timpush/add_tag"),
        (Get, Timpush, "/v4/timpush/get_tag"),
        (Remove, Timpush, "/v4/timpush/remove_tag"),
        (Clear, Timpush, "/v4/timpush/clear_all_tags"),
    ]
};

impl Route {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All of them: the four of `all_member_push`, then the four of `timpush`.
    pub fn all() -> impl Iterator<Item = Route> {
        TABLE
            .iter()
            .map(|&(operation, generation, _)| Route::new(operation, generation))
    }

    /// The route of an operation in a generation.
    #[must_use]
    pub fn new(operation: Operation, generation: Generation) -> Route {
        Route {
            operation,
            generation,
        }
    }

    /// The path, with its leading slash.
    #[must_use]
    pub fn path(self) -> &'static str {
        TABLE[self.index()].2
    }

    /// The last part of the path, which names the route: `im_add_tag`, `clear_all_tags` …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.path().rsplit('/').next().unwrap_or(self.path())
    }

    /// The route of a path, to the letter.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Route> {
        Route::all().find(|route| route.path() == path)
    }

    /// Its place among [`all`](Route::all).
    ///
    /// # Panics
    /// Never: the table has every operation in every generation.
    #[must_use]
    pub fn index(self) -> usize {
        TABLE
            .iter()
            .position(|row| (row.0, row.1) == (self.operation, self.generation))
            .expect("the table has every operation in every generation, which a test holds")
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<(Operation, Generation)> for Route {
    fn from((operation, generation): (Operation, Generation)) -> Route {
        Route::new(operation, generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_path_of_its_own_in_every_generation() {
        let mut paths = Vec::new();
        for generation in Generation::ALL {
            for operation in Operation::ALL {
                let route = Route::new(operation, generation);
                assert_eq!(Route::from_path(route.path()), Some(route));
                paths.push(route.path());
            }
        }
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), Route::COUNT);
    }
}
