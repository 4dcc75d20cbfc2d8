//! A row of a file: one operation on one account, with tags or, to clear it, without. Its names are checked when it is
//! made, as all bad rows are known before anything is sent. The change that is made of a user's rows is checked once more,
//! as every change is.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, corrected and imported as one,
//! and never half done.

use std::borrow::Cow;
use std::convert::Infallible;

use imtag_core::{Account, ChangeOperation, Invalid, Rules, Tag, Violation};

use crate::excerpt::start_of_line;
use crate::odd;

/// Bytes of a row, at most. A row of a thousand tags takes a twentieth of them.
pub const ROW_BYTES: usize = 1024 * 1024;

/// What a row of an import may ask for, in the order of their numbers. It puts the rows of a user together, whose order would
/// count where one of them replaces.
pub const OPERATIONS: [ChangeOperation; 3] = [
    ChangeOperation::Add,
    ChangeOperation::Remove,
    ChangeOperation::Clear,
];

/// A row whose names keep to the rules.
#[derive(Debug)]
pub struct Row<'r> {
    /// The user.
    pub account: &'r str,
    /// What is to be done.
    pub op: ChangeOperation,
    /// None if it clears, else at least one.
    pub tags: Tags<'r>,
}

/// The tags of a row, where they stand in the file: there are millions, so none is copied.
#[derive(Debug, Clone, Copy)]
pub enum Tags<'r> {
    /// A field of one tag.
    One(&'r str),
    /// A field of tags with a [`Tags::SEPARATOR`] between two, such as `vip;beijing`.
    Separated(&'r str),
    /// A list, as JSON has it.
    List(&'r [Cow<'r, str>]),
}

impl<'r> Tags<'r> {
    /// Between the tags of one field.
    pub const SEPARATOR: char = ';';

    /// Calls `each` with one after the other, up to the first error.
    #[inline]
    fn try_for_each<E>(self, each: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        match self {
            Tags::One(tag) => std::iter::once(tag).try_for_each(each),
            Tags::Separated(tags) => tags.split(Tags::SEPARATOR).try_for_each(each),
            Tags::List(tags) => tags.iter().map(AsRef::as_ref).try_for_each(each),
        }
    }

    /// Calls `each` with one after the other.
    #[inline]
    pub fn for_each(self, mut each: impl FnMut(&str)) {
        let Ok(()) = self.try_for_each(|tag| {
            each(tag);
            Ok::<_, Infallible>(())
        });
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn count(self) -> usize {
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

/// What a row is checked by.
#[derive(Debug, Clone, Copy)]
pub struct Checks<'r> {
    /// The rules of the service.
    pub rules: &'r Rules,
    /// What it may ask for.
    pub operations: &'r [ChangeOperation],
    /// True if a name may hold an [odd] character.
    pub may_be_odd: bool,
}

impl<'r> Checks<'r> {
    /// Those of an import.
    #[must_use]
    pub fn of_import(rules: &'r Rules, may_be_odd: bool) -> Checks<'r> {
        Checks {
            rules,
            operations: &OPERATIONS,
            may_be_odd,
        }
    }
}

impl<'r> Row<'r> {
    /// Checks what stands in a row.
    ///
    /// # Errors
    /// With what is wrong with it, and what to do.
    #[inline(always)] // a call costs NDJSON some percent
    pub fn new(
        account: &'r str,
        op: &str,
        tags: Tags<'r>,
        checks: Checks<'_>,
    ) -> Result<Row<'r>, String> {
        let Checks {
            rules,
            operations,
            may_be_odd,
        } = checks;
        let known = operation(op, operations);
        let removes = matches!(
            known,
            Some(ChangeOperation::Remove | ChangeOperation::Clear)
        );
        let odd = |what: &str, name: &str| match odd::problem(name, may_be_odd, removes) {
            Some(problem) => Err(format!("{what}: {problem}")),
            None => Ok(()),
        };
        odd("account", account)?;
        Account::new(account, rules).map_err(|invalid| reason(&invalid))?;
        let op = known.ok_or_else(|| no_op(op, operations))?;
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
#[inline]
pub(crate) fn operation(name: &str, operations: &[ChangeOperation]) -> Option<ChangeOperation> {
    if name.is_empty() {
        return Some(ChangeOperation::Add);
    }
    operations.iter().copied().find(|it| it.name() == name)
}

/// What is wrong with a row that was not kept.
#[must_use]
pub fn too_long() -> String {
    format!(
        "more than {ROW_BYTES} bytes, at most {ROW_BYTES} a row (split its tags into several rows)"
    )
}

#[cold]
pub(crate) fn no_op(name: &str, operations: &[ChangeOperation]) -> String {
    let names: Vec<_> = operations.iter().map(|it| it.name()).collect();
    let names = names.join(", ");
    let name = start_of_line(name);
    format!("op: {name:?} is none of {names} (use one of them; nothing means add)")
}

#[cold]
pub(crate) fn tag_of_clear(tag: &str) -> String {
    let tag = start_of_line(tag);
    format!("tag: {tag:?} beside clear, which removes all (leave it empty, or use remove)")
}

/// All that is wrong, each with its remedy.
#[cold]
fn reason(invalid: &Invalid) -> String {
    let each = invalid.violations().iter().map(with_remedy);
    each.collect::<Vec<_>>().join("; ")
}

pub(crate) fn with_remedy(violation: &Violation) -> String {
    format!("{violation} ({})", violation.problem.remedy())
}
