//! The eight routes.
//!
//! The table of paths is not the client's, so that a wrong path in that shows.

use std::fmt;

use imtag_core::{Generation, Operation};

use crate::answer::Refusal;
use crate::query::{shown_method, shown_path};

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

/// Why no route takes a request: what was asked for and what there is, with `elsewhere` for a path that comes near none.
#[must_use]
pub fn no_route(method: &str, path: &str, elsewhere: &str) -> Refusal {
    let (asked, method) = (shown_path(path), shown_method(method));
    let text = if Route::from_path(path).is_some() {
        format!("{asked} takes POST, and not {method}")
    } else if let Some(route) = meant(path) {
        let path = route.path();
        format!("there is no {asked}: the path is {path}, to the letter")
    } else {
        let paths: Vec<_> = Route::all().map(Route::path).collect();
        let paths = paths.join(", ");
        format!("there is no {asked} here, only the calls of user tags: {paths}; {elsewhere}")
    };
    Refusal::new(60009, text)
}

/// The route that a path comes near: in another case, with other slashes, with more or less before it.
fn meant(path: &str) -> Option<Route> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("/{part}")).collect();
    let path = path.to_ascii_lowercase();
    let near = |known: &str| known.ends_with(&path) || path.ends_with(known);
    Route::all().find(|route| !path.is_empty() && near(route.path()))
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

    fn text(method: &str, path: &str) -> String {
        no_route(method, path, "see the help").text
    }

    #[test]
    fn what_is_on_no_route_is_told_what_there_is() {
        let add = "the path is /v4/all_member_push/im_add_tag, to the letter";
        for near in [
            "/v4/all_member_push/im_add_tag/",
            "//v4/all_member_push//im_add_tag",
            "/V4/All_Member_Push/IM_Add_Tag",
            "/all_member_push/im_add_tag",
            "/im_add_tag",
            "/proxy/v4/all_member_push/im_add_tag",
        ] {
            assert_eq!(text("POST", near), format!("there is no {near}: {add}"));
        }
        for path in ["/v4/openim/sendmsg", "/", "*", "", "/v4/timpush/push"] {
            let text = text("POST", path);
            let expected = format!(
                "there is no {path} here, only the calls of user tags: /v4/all_member_push/im_add_tag, \
                 /v4/all_member_push/im_get_tag, "
            );
            assert!(text.starts_with(&expected), "{text}");
            assert!(text.ends_with("; see the help"));
        }
        let text = text("GET", "/v4/timpush/add_tag");
        assert_eq!(text, "/v4/timpush/add_tag takes POST, and not GET");
    }

    #[test]
    fn a_text_is_short_and_holds_no_usersig() {
        assert!(!text("POST", "/v4/x/usersig=hush").contains("hush"));
        let long = "/x".repeat(10_000);
        assert!(text(&long, &long).len() < 1000);
    }
}
