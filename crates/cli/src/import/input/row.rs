//! A row of a file: one operation on one account, with tags or, to clear it, without. Its names are checked when it is
//! made, as all bad rows are known before anything is sent. The change that is made of a user's rows is checked once more,
//! as every change is.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, corrected and imported as one,
//! and never half done.

use std::borrow::Cow;
use std::convert::Infallible;

use imtag_core::{Account, ChangeOperation, Invalid, Rules, Tag};
use serde::{Deserialize, Serialize};

use super::lines::ROW_BYTES;
use super::odd;
use super::problem::start_of_line;

/// What a row may ask for, in the order of their numbers.
pub(crate) const OPERATIONS: [ChangeOperation; 3] = [
    ChangeOperation::Add,
    ChangeOperation::Remove,
    ChangeOperation::Clear,
];

/// A row whose names keep to the rules.
#[derive(Debug)]
pub(crate) struct Row<'r> {
    pub(crate) account: &'r str,
    pub(crate) op: ChangeOperation,
    /// None if it clears, else at least one.
    pub(crate) tags: Tags<'r>,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BadRow {
    /// The line that it starts on, counted from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// The tags of a row, where they stand in the file: there are millions, so none is copied.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tags<'r> {
    /// A field of one tag.
    One(&'r str),
    /// A field of tags with a [`Tags::SEPARATOR`] between two, such as `vip;beijing`.
    Separated(&'r str),
    List(&'r [Cow<'r, str>]),
}

impl<'r> Tags<'r> {
    /// Between the tags of one field.
    pub(crate) const SEPARATOR: char = ';';

    /// Calls `each` with one after the other, up to the first error.
    #[inline]
    fn try_for_each<E>(self, each: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        match self {
            Tags::One(tag) => std::iter::once(tag).try_for_each(each),
            Tags::Separated(tags) => tags.split(Tags::SEPARATOR).try_for_each(each),
            Tags::List(tags) => tags.iter().map(AsRef::as_ref).try_for_each(each),
        }
    }

    #[inline]
    pub(crate) fn for_each(self, mut each: impl FnMut(&str)) {
        let Ok(()) = self.try_for_each(|tag| {
            each(tag);
            Ok::<_, Infallible>(())
        });
    }

    #[inline]
    pub(crate) fn count(self) -> usize {
        match self {
            Tags::One(_) => 1,
            Tags::Separated(tags) => tags.split(Tags::SEPARATOR).count(),
            Tags::List(tags) => tags.len(),
        }
    }

    /// The text of a field, or the first of a list; an empty field holds no tag.
    fn first_text(self) -> Option<&'r str> {
        match self {
            Tags::One(field) | Tags::Separated(field) => Some(field).filter(|it| !it.is_empty()),
            Tags::List(tags) => tags.first().map(AsRef::as_ref),
        }
    }
}

impl<'r> Row<'r> {
    /// Checks what stands in a row. `may_be_odd` if a name may hold an odd character.
    ///
    /// # Errors
    /// With what is wrong with it, and what to do.
    #[inline(always)] // a call costs NDJSON some percent
    pub(crate) fn new(
        account: &'r str,
        op: &str,
        tags: Tags<'r>,
        rules: &Rules,
        may_be_odd: bool,
    ) -> Result<Row<'r>, String> {
        let known = operation(op);
        let removes = known.is_some_and(|op| op != ChangeOperation::Add);
        let odd = |what: &str, name: &str| match odd::problem(name, may_be_odd, removes) {
            Some(problem) => Err(format!("{what}: {problem}")),
            None => Ok(()),
        };
        odd("account", account)?;
        Account::new(account, rules).map_err(|invalid| reason(&invalid))?;
        let op = known.ok_or_else(|| no_op(op))?;
        if op == ChangeOperation::Clear {
            return match tags.first_text() {
                Some(tag) => Err(tag_of_clear(tag)),
                None => Ok(Row {
                    account,
                    op,
                    tags: Tags::List(&[]),
                }),
            };
        }
        if let Tags::List([]) = tags {
            return Err("tags: none given, at least 1 (leave it out, or fill it)".to_owned());
        }
        tags.try_for_each(|tag| {
            odd("tag", tag)?;
            match Tag::new(tag, rules) {
                Ok(_) => Ok(()),
                Err(invalid) => Err(reason(&invalid)),
            }
        })?;
        Ok(Row { account, op, tags })
    }
}

/// The operation of that exact name. No name means add.
fn operation(name: &str) -> Option<ChangeOperation> {
    match name {
        "" | "add" => Some(ChangeOperation::Add),
        "remove" => Some(ChangeOperation::Remove),
        "clear" => Some(ChangeOperation::Clear),
        _ => None,
    }
}

/// What is wrong with a row that was not kept.
pub(super) fn too_long() -> String {
    format!(
        "more than {ROW_BYTES} bytes, at most {ROW_BYTES} a row (split its tags into several rows)"
    )
}

#[cold]
fn no_op(name: &str) -> String {
    let names = OPERATIONS.map(ChangeOperation::name).join(", ");
    let name = start_of_line(name);
    format!("op: {name:?} is none of {names} (use one of them; nothing means add)")
}

#[cold]
fn tag_of_clear(tag: &str) -> String {
    let tag = start_of_line(tag);
    format!("tag: {tag:?} beside clear, which removes all (leave it empty, or use remove)")
}

#[cold]
fn reason(invalid: &Invalid) -> String {
    let each = invalid
        .violations()
        .iter()
        .map(|violation| format!("{violation} ({})", violation.problem.remedy()));
    each.collect::<Vec<_>>().join("; ")
}
