//! What a row wants: one operation on one account, with tags or, to clear it, without.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::columns::Form;

/// What a row does to the tags of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Add,
    Remove,
    Clear,
}

impl Op {
    pub(crate) const ALL: [Op; 3] = [Op::Add, Op::Remove, Op::Clear];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Remove => "remove",
            Op::Clear => "clear",
        }
    }

    /// By its name, to the letter. Nothing is to add.
    pub(crate) fn named(name: &str) -> Option<Op> {
        match name {
            "" | "add" => Some(Op::Add),
            "remove" => Some(Op::Remove),
            "clear" => Some(Op::Clear),
            _ => None,
        }
    }
}

/// A row that has been checked.
#[derive(Debug)]
pub(crate) struct Change<'r> {
    pub(crate) account: &'r str,
    pub(crate) op: Op,
    pub(crate) tags: Tags<'r>,
}

/// The tags of a row, as they stand in it: none where it clears, at least one elsewhere.
#[derive(Debug)]
pub(crate) enum Tags<'r> {
    None,
    One(&'r str),
    Separated(&'r str),
    List(&'r [Cow<'r, str>]),
}

impl Tags<'_> {
    /// Calls `each` with one after the other: without an allocation, since there are millions.
    #[inline]
    pub(crate) fn for_each(&self, each: impl FnMut(&str)) {
        match self {
            Tags::None => {}
            Tags::One(tag) => std::iter::once(*tag).for_each(each),
            Tags::Separated(tags) => tags.split(Form::SEPARATOR).for_each(each),
            Tags::List(tags) => tags.iter().map(AsRef::as_ref).for_each(each),
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        match self {
            Tags::None => 0,
            Tags::One(_) => 1,
            Tags::Separated(tags) => tags.split(Form::SEPARATOR).count(),
            Tags::List(tags) => tags.len(),
        }
    }
}
