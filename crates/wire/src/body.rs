//! The body of a request: from bytes to accounts with tags, read field by field from plain JSON values, without copies.
//! None of the client's types is used, so that a field which the client misspells is missing here.
//!
//! There are two kinds of mistakes. One in the shape of the body fails the request at once. One of a single user (a
//! tag too long, too many tags …) is kept with that user, because what it does to the others is decided elsewhere. No list of
//! tags, or an empty one, is of the first kind, and for the daemon of the second.
//! An account that stands in a request twice counts as one with the tags of both, also against the limit.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use imtag_core::{Generation, Limits, Operation};
use indexmap::IndexMap;

use crate::answer::Refusal;
use crate::json::{Fields, Items, Json, Value};
use crate::route::Route;

/// No page states how long a RegistrationID may be; a longer one is taken for a mistake.
const ACCOUNT_BYTES_AT_MOST: usize = 65_535;

/// What gzip begins with, and no JSON does.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// True if a `Content-Encoding` says that the body is not plain.
#[must_use]
pub fn is_encoding(value: &[u8]) -> bool {
    !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
}

/// Checks that a body is plain; `is_encoded` is what its head says.
///
/// # Errors
/// If it is compressed.
pub fn check_plain(is_encoded: bool, body: &[u8]) -> Result<(), Refusal> {
    if is_encoded || body.starts_with(GZIP) {
        let text = "the body is compressed, which the service's pages do not allow: send plain JSON, without \
                    Content-Encoding";
        return Err(Refusal::new(60003, text));
    }
    Ok(())
}

/// What a request asks for. Its texts are parts of the body.
#[derive(Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// The users in the order of the request, each account once.
    pub users: Vec<User<'a>>,
    /// The tags of all users, in one list.
    pub tags: Vec<Cow<'a, str>>,
    /// Whether the tags replace all that the users have.
    pub replace: bool,
}

/// An account of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// Its name.
    pub account: Cow<'a, str>,
    /// Where its tags are in the list of all; nowhere if it has a mistake, or where the route takes accounts alone.
    pub tags: Range<usize>,
    /// The first mistake of this user.
    pub mistake: Option<Refusal>,
}

/// Reads the body of a request on `route`.
///
/// # Errors
/// If its shape is wrong. A mistake of a single user is that user's.
pub fn read<'a>(route: Route, body: &'a [u8], limits: &Limits) -> Result<Job<'a>, Refusal> {
    Reader::read(route, body, limits, false)
}

/// As [`read`], but by a daemon, whose callers are to know who of their users is at fault: where a user has no tags, or what is
/// no list of them, the mistake is that user's. And a field of ours that stands twice is refused: the last one would count,
/// and the users of the other be lost without a word. What the service does with such bodies is not known.
///
/// # Errors
/// If the shape is wrong beside that, and where a field stands twice.
pub fn read_for_daemon<'a>(
    route: Route,
    body: &'a [u8],
    limits: &Limits,
) -> Result<Job<'a>, Refusal> {
    Reader::read(route, body, limits, true)
}

fn job<'a>(reader: &Reader<'_>, body: &'a [u8]) -> Result<Job<'a>, Refusal> {
    let not_json = |error| Refusal::new(60003, format!("the body is not JSON: {error}"));
    let json = Json::read(body).map_err(not_json)?;
    let Value::Object(fields) = json.value() else {
        return Err(shape("the body is not an object"));
    };
    match reader.route.operation {
        Operation::Add | Operation::Remove => reader.users_with_tags(fields),
        Operation::Get | Operation::Clear => reader.accounts(fields),
    }
}

fn shape(text: impl Into<String>) -> Refusal {
    Refusal::new(90001, text)
}

/// The users so far, each account once.
type Users<'a> = IndexMap<Cow<'a, str>, User<'a>>;

/// Where an entry of a list stands in the body: `UserTags[7]`.
#[derive(Clone, Copy)]
struct Place(&'static str, usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0, self.1)
    }
}

struct Reader<'l> {
    route: Route,
    limits: &'l Limits,
    /// Each field may stand once, and a mistake in a list of tags is its user's.
    for_daemon: bool,
}

impl Reader<'_> {
    fn read<'a>(
        route: Route,
        body: &'a [u8],
        limits: &Limits,
        for_daemon: bool,
    ) -> Result<Job<'a>, Refusal> {
        let reader = Reader {
            route,
            limits,
            for_daemon,
        };
        job(&reader, body)
    }

    /// Refuses a field of these names that stands twice.
    fn once(
        &self,
        fields: Fields<'_, '_>,
        names: [&str; 2],
        place: Option<Place>,
    ) -> Result<(), Refusal> {
        if !self.for_daemon {
            return Ok(());
        }
        let count = |name: &&str| fields.all().filter(|(it, _)| it == name).count();
        match names.iter().find(|name| count(name) > 1) {
            None => Ok(()),
            Some(name) => {
                let place = place.map_or_else(String::new, |place| format!("{place}."));
                Err(shape(format!("{place}{name} stands twice")))
            }
        }
    }

    fn users_with_tags<'a>(&self, fields: Fields<'_, 'a>) -> Result<Job<'a>, Refusal> {
        self.once(fields, ["UserTags", "Replace"], None)?;
        let replace = self.replace(fields)?;
        let (items, count) = self.list(fields, "UserTags", Some("Replace"))?;
        let mut users = Users::with_capacity(count);
        let mut all = Vec::with_capacity(count * self.limits.tags_per_user_and_request.min(10));
        for (index, item) in items.enumerate() {
            let place = Place("UserTags", index);
            let Value::Object(item) = item else {
                return Err(shape(format!("{place} is not an object")));
            };
            self.once(item, ["To_Account", "Tags"], Some(place))?;
            let account = match item.get("To_Account") {
                Some(value) => account(value, place)?,
                None => return Err(missing(format_args!("{place}.To_Account"), item, None)),
            };
            let user = user(&mut users, account);
            let start = all.len();
            all.extend_from_within(user.tags.clone());
            let new = all.len();
            let of_shape = match tags(item, place, &mut all) {
                Err(mistake) if !self.for_daemon => return Err(mistake),
                read => read.err(),
            };
            if user.mistake.is_none() {
                let counted = all.len() - start;
                user.mistake = self
                    .account_mistake(&user.account, place)
                    .or(of_shape)
                    .or_else(|| self.tags_mistake(&all[new..], counted, replace, place));
            }
            if user.mistake.is_some() {
                all.truncate(start);
            }
            user.tags = start..all.len();
        }
        Ok(Job {
            users: users.into_values().collect(),
            tags: all,
            replace,
        })
    }

    fn accounts<'a>(&self, fields: Fields<'_, 'a>) -> Result<Job<'a>, Refusal> {
        self.once(fields, ["To_Account", "Replace"], None)?;
        let (items, count) = self.list(fields, "To_Account", None)?;
        let mut users = Users::with_capacity(count);
        for (index, item) in items.enumerate() {
            let place = Place("To_Account", index);
            let user = user(&mut users, account(item, place)?);
            user.mistake = self.account_mistake(&user.account, place);
        }
        Ok(Job {
            users: users.into_values().collect(),
            tags: Vec::new(),
            replace: false,
        })
    }

    /// `Replace` is known to `timpush/add_tag` alone. Elsewhere it is refused rather than ignored: a caller that
    /// sends it would otherwise believe that the old tags are gone.
    fn replace(&self, fields: Fields<'_, '_>) -> Result<bool, Refusal> {
        let Some(value) = fields.get("Replace") else {
            return Ok(false);
        };
        if self.route != Route::new(Operation::Add, Generation::Timpush) {
            return Err(shape("Replace is for timpush/add_tag only"));
        }
        match value {
            Value::Unsigned(0) => Ok(false),
            Value::Unsigned(1) => Ok(true),
            _ => Err(shape("Replace is neither 0 nor 1")),
        }
    }

    /// The list of the users, and how many there are.
    fn list<'j, 'a>(
        &self,
        fields: Fields<'j, 'a>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<(Items<'j, 'a>, usize), Refusal> {
        let items = list(fields, name, format_args!("{name}"), beside)?;
        let (given, most) = (items.count(), self.limits.users_per_request);
        if given > most {
            let text = format!("{name} has {given} accounts, at most {most}");
            return Err(Refusal::new(90018, text));
        }
        Ok((items, given))
    }

    fn account_mistake(&self, account: &str, place: Place) -> Option<Refusal> {
        if account.is_empty() {
            return Some(Refusal::new(
                70402,
                format!("{place}: the account is empty"),
            ));
        }
        // timpush takes RegistrationIDs too, whose length nobody states.
        let most = match self.route.generation {
            Generation::AllMemberPush => self.limits.account_bytes.min(ACCOUNT_BYTES_AT_MOST),
            Generation::Timpush => ACCOUNT_BYTES_AT_MOST,
        };
        let bytes = account.len();
        if bytes > most {
            let text = format!("{place}: the account has {bytes} bytes, at most {most}");
            return Some(Refusal::new(70402, text));
        }
        None
    }

    fn tags_mistake(
        &self,
        tags: &[Cow<'_, str>],
        counted: usize,
        replace: bool,
        place: Place,
    ) -> Option<Refusal> {
        let most = if replace {
            self.limits.tags_per_user
        } else {
            self.limits.tags_per_user_and_request
        };
        if counted > most {
            let text = format!("{place}: the user has {counted} tags, at most {most}");
            return Some(Refusal::new(90032, text));
        }
        tags.iter().enumerate().find_map(|(index, tag)| {
            let (bytes, most) = (tag.len(), self.limits.tag_bytes);
            if bytes == 0 {
                let text = format!("{place}.Tags[{index}] is empty");
                return Some(Refusal::new(90040, text));
            }
            (bytes > most).then(|| {
                let text = format!("{place}.Tags[{index}] has {bytes} bytes, at most {most}");
                Refusal::new(90020, text)
            })
        })
    }
}

/// Appends the tags of an entry to those of all.
fn tags<'a>(
    item: Fields<'_, 'a>,
    place: Place,
    all: &mut Vec<Cow<'a, str>>,
) -> Result<(), Refusal> {
    let tags = list(
        item,
        "Tags",
        format_args!("{place}.Tags"),
        Some("To_Account"),
    )?;
    for (index, tag) in tags.enumerate() {
        let Value::Text(tag) = tag else {
            return Err(shape(format!("{place}.Tags[{index}] is not a string")));
        };
        all.push(tag.clone());
    }
    Ok(())
}

/// The list `name` of an object; `place` is where it stands in the body, and `beside` a field that may be there too.
fn list<'j, 'a>(
    fields: Fields<'j, 'a>,
    name: &str,
    place: fmt::Arguments<'_>,
    beside: Option<&str>,
) -> Result<Items<'j, 'a>, Refusal> {
    match fields.get(name) {
        Some(Value::List(items)) if items.count() == 0 => Err(shape(format!("{place} is empty"))),
        Some(Value::List(items)) => Ok(items),
        Some(_) => Err(shape(format!("{place} is not a list"))),
        None => Err(missing(place, fields, beside)),
    }
}

/// Names some of the fields that are there, except `beside`, which is right: SDKs misspell `UserTags`, or send one of its
/// entries as the whole body.
fn missing(place: fmt::Arguments<'_>, others: Fields<'_, '_>, beside: Option<&str>) -> Refusal {
    const MOST: usize = 4;
    let short = |name: &str| format!("{:?}", name.chars().take(32).collect::<String>());
    let names = others
        .names()
        .into_iter()
        .filter(|name| Some(*name) != beside);
    let names: Vec<String> = names.take(MOST).map(short).collect();
    match names.as_slice() {
        [] => shape(format!("{place} is missing")),
        names => shape(format!("{place} is missing; there is {}", names.join(", "))),
    }
}

/// The user of this account, which may have been named before.
fn user<'u, 'a>(users: &'u mut Users<'a>, account: Cow<'a, str>) -> &'u mut User<'a> {
    let new = || User {
        account: account.clone(),
        tags: 0..0,
        mistake: None,
    };
    users.entry(account.clone()).or_insert_with(new)
}

fn account<'a>(value: Value<'_, 'a>, place: Place) -> Result<Cow<'a, str>, Refusal> {
    let Value::Text(account) = value else {
        let text = format!("{place}: the account is not a string");
        return Err(Refusal::new(60015, text));
    };
    Ok(account.clone())
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
