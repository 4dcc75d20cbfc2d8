//! What faults can be for: a path, a route, or an operation in either generation.

use imtag_core::{Generation, Operation};
use imtag_wire::Route;

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
    fn every_route_is_known_by_its_name() {
        for route in Route::all() {
            assert_eq!(route.name().parse(), Ok(Target::Route(route)));
        }
    }
}
