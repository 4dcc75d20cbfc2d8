//! The eight routes, and what faults can be for: a path, a route, or an operation in either generation.
//!
//! The table of paths is the emulator's own, so that a wrong path in the client's table shows.

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
    pub(crate) const COUNT: usize = TABLE.len();

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

    pub(crate) fn from_path(path: &str) -> Option<Route> {
        Route::all().find(|route| route.path() == path)
    }

    pub(crate) fn index(self) -> usize {
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

/// What a fault is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// One route.
    Route(Route),
    /// An operation, in either generation. In a queue, the next request takes it, unless the queue of its path or of
    /// its route has a fault.
    Operation(Operation),
    /// A path, by whatever method. Its faults come before those of its route.
    Path(String),
}

impl Target {
    /// A path, to the letter, with its leading slash and without a query: also one of a call that the emulator does not
    /// have.
    pub fn path(path: impl Into<String>) -> Target {
        Target::Path(path.into())
    }

    /// The name under which an order of faults has it as `route`.
    pub(crate) fn name(&self) -> Option<&'static str> {
        match self {
            Target::Route(route) => Some(route.name()),
            Target::Operation(operation) => Some(operation.name()),
            Target::Path(_) => None,
        }
    }

    /// The targets that a request counts to, the most exact one first.
    pub(crate) fn for_request(path: &str, route: Option<Route>) -> Vec<Target> {
        let mut targets = vec![Target::path(path)];
        if let Some(route) = route {
            targets.push(Target::Route(route));
            targets.push(Target::Operation(route.operation));
        }
        targets
    }

    /// Whether its requests can change tags.
    pub(crate) fn tags_users(&self) -> bool {
        match self {
            Target::Route(_) | Target::Operation(_) => true,
            Target::Path(path) => Route::from_path(path).is_some(),
        }
    }
}

/// A name that belongs to no route and no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown route {0:?}: use one of {known}, or path in place of route", known = known_names())]
pub struct UnknownTarget(String);

fn known_names() -> String {
    let operations = Operation::ALL.into_iter().map(Operation::name);
    let names: Vec<_> = operations.chain(Route::all().map(Route::name)).collect();
    names.join(", ")
}

impl std::str::FromStr for Target {
    type Err = UnknownTarget;

    /// Takes `add`, `get`, `remove`, `clear`, or a route's name or path.
    fn from_str(name: &str) -> Result<Target, UnknownTarget> {
        let operation = Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name);
        let route = Route::all().find(|route| route.name() == name || route.path() == name);
        operation
            .map(Target::Operation)
            .or(route.map(Target::Route))
            .ok_or_else(|| UnknownTarget(name.to_owned()))
    }
}

impl From<Route> for Target {
    fn from(route: Route) -> Target {
        Target::Route(route)
    }
}

impl From<(Operation, Generation)> for Target {
    fn from(route: (Operation, Generation)) -> Target {
        Target::Route(route.into())
    }
}

impl From<Operation> for Target {
    fn from(operation: Operation) -> Target {
        Target::Operation(operation)
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
                assert_eq!(route.name().parse(), Ok(Target::Route(route)));
                paths.push(route.path());
            }
        }
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), Route::COUNT);
    }
}
