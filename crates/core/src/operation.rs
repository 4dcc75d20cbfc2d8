//! The four operations and the two generations of their paths: one table, `Operation::row`, and the only place that knows
//! a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::secret::shown_setting;

/// What is done to the tags of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Adds tags to users.
    Add,
    /// Reads the tags of users.
    Get,
    /// Removes tags from users.
    Remove,
    /// Removes all tags of users.
    Clear,
}

/// What a change does to the tags of a user: each operation but [`Operation::Get`], of which adding has two forms. To serde
/// it is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOperation {
    /// Adds tags to users.
    Add,
    /// Removes tags from users.
    Remove,
    /// Removes all tags of users.
    Clear,
    /// Adds tags to users in place of all that they have: an [add](Operation::Add) to the service, on the `timpush` paths
    /// only.
    Replace,
}

/// Which family of paths carries the operations. Both do the same jobs; whether they share one store of tags is
/// not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Generation {
    /// `all_member_push/…`: the paths of the im_add_tag page.
    #[default]
    AllMemberPush,
    /// `timpush/…`: the newer paths, the only ones that name the accounts that failed, and that can replace tags.
    Timpush,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 4] = [
        Operation::Add,
        Operation::Get,
        Operation::Remove,
        Operation::Clear,
    ];

    /// Its name, its path of the generation `all_member_push`, and that of `timpush`.
    #[rustfmt::skip]
    fn row(self) -> [&'static str; 3] {
        match self {
            Operation::Add => ["add", "v4/all_member_push/im_add_tag", "v4/timpush/add_tag"],
            Operation::Get => ["get", "v4/all_member_push/im_get_tag", "v4/timpush/get_tag"],
            Operation::Remove => ["remove", "v4/all_member_push/im_remove_tag", "v4/timpush/remove_tag"],
            Operation::Clear => ["clear", "v4/all_member_push/im_remove_all_tags", "v4/timpush/clear_all_tags"],
        }
    }

    /// The path of the call, without a leading slash.
    #[must_use]
    pub fn path(self, generation: Generation) -> &'static str {
        let [_, all_member_push, timpush] = self.row();
        match generation {
            Generation::AllMemberPush => all_member_push,
            Generation::Timpush => timpush,
        }
    }

    /// The operation's name: `add`, `get`, `remove`, `clear`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row()[0]
    }
}

impl ChangeOperation {
    /// All of them.
    pub const ALL: [ChangeOperation; 4] = [
        ChangeOperation::Add,
        ChangeOperation::Remove,
        ChangeOperation::Clear,
        ChangeOperation::Replace,
    ];

    /// The operation's name: `add`, `remove`, `clear`, `replace`.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self == ChangeOperation::Replace {
            "replace"
        } else {
            Operation::from(self).name()
        }
    }
}

impl From<ChangeOperation> for Operation {
    fn from(operation: ChangeOperation) -> Operation {
        match operation {
            ChangeOperation::Add | ChangeOperation::Replace => Operation::Add,
            ChangeOperation::Remove => Operation::Remove,
            ChangeOperation::Clear => Operation::Clear,
        }
    }
}

impl fmt::Display for ChangeOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Generation {
    /// All of them.
    pub const ALL: [Generation; 2] = [Generation::AllMemberPush, Generation::Timpush];

    /// The generation's name: `all_member_push` or `timpush`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Generation::AllMemberPush => "all_member_push",
            Generation::Timpush => "timpush",
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no generation has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown generation {0:?}: use all_member_push or timpush")]
pub struct UnknownGeneration(String);

impl FromStr for Generation {
    type Err = UnknownGeneration;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Generation::ALL
            .into_iter()
            .find(|generation| generation.name() == name)
            .ok_or_else(|| UnknownGeneration(shown_setting(name).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_but_get_changes_tags_and_a_replace_is_an_add_to_the_service() {
        let names = Operation::ALL.map(|operation| operation.to_string());
        assert_eq!(names, ["add", "get", "remove", "clear"]);
        let names = ChangeOperation::ALL.map(|operation| operation.to_string());
        assert_eq!(names, ["add", "remove", "clear", "replace"]);
        let operations = ChangeOperation::ALL.map(|it| Operation::from(it).to_string());
        assert_eq!(operations, ["add", "remove", "clear", "add"]);
    }

    #[test]
    fn the_paths_are_those_of_the_documentation() {
        let paths = |generation| Operation::ALL.map(|operation| operation.path(generation));
        assert_eq!(
            paths(Generation::AllMemberPush),
            [
                "v4/all_member_push/im_add_tag",
                "v4/all_member_push/im_get_tag",
                "v4/all_member_push/im_remove_tag",
                "v4/all_member_push/im_remove_all_tags",
            ]
        );
        assert_eq!(
            paths(Generation::Timpush),
            [
                "v4/timpush/add_tag",
                "v4/timpush/get_tag",
                "v4/timpush/remove_tag",
                "v4/timpush/clear_all_tags",
            ]
        );
    }
}
