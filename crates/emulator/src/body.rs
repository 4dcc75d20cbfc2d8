//! The body of a request: from bytes to accounts with tags, read field by field from plain JSON values. None of the
//! client's types is used, so that a field which the client misspells is missing here.
//!
//! There are two kinds of mistakes. One in the shape of the body fails the request at once. One of a single user (a
//! tag too long, too many tags …) is kept with that user, because what it does to the others is decided elsewhere.
//! An account that stands in a request twice counts as one with the tags of both, also against the limit.

use std::collections::HashMap;

use imtag_core::{Generation, Limits, Operation};
use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::disk::ACCOUNT_BYTES_AT_MOST;
use crate::route::Route;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The users in the order of the request, each account once.
    pub(crate) users: Vec<User>,
    /// Whether the tags replace all that the users have.
    pub(crate) replace: bool,
}

/// An account of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) account: String,
    /// Empty where the route takes accounts alone.
    pub(crate) tags: Vec<String>,
    /// The first mistake of this user.
    pub(crate) mistake: Option<Refusal>,
}

/// Reads the body of a request on `route`.
pub(crate) fn read(route: Route, body: &[u8], limits: &Limits) -> Result<Job, Refusal> {
    let value = serde_json::from_slice(body).map_err(not_json)?;
    let Value::Object(mut fields) = value else {
        return Err(shape("the body is not an object"));
    };
    let reader = Reader { route, limits };
    match route.operation {
        Operation::Add | Operation::Remove => reader.users_with_tags(&mut fields),
        Operation::Get | Operation::Clear => reader.accounts(&mut fields),
    }
}

fn not_json(error: serde_json::Error) -> Refusal {
    Refusal::new(60003, format!("the body is not JSON: {error}"))
}

fn shape(text: impl Into<String>) -> Refusal {
    Refusal::new(90001, text)
}

struct Reader<'a> {
    route: Route,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn users_with_tags(&self, fields: &mut Map<String, Value>) -> Result<Job, Refusal> {
        let replace = self.replace(fields)?;
        let items = self.list(fields, "UserTags")?;
        let mut users = Users::default();
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("UserTags[{index}]");
            let Value::Object(mut item) = item else {
                return Err(shape(format!("{place} is not an object")));
            };
            let account = match item.remove("To_Account") {
                Some(value) => account(value, &place)?,
                None => return Err(missing(&format!("{place}.To_Account"), &item)),
            };
            let tags = tags(&mut item, &place)?;
            let user = users.get_or_insert(account);
            if user.mistake.is_none() {
                let counted = user.tags.len() + tags.len();
                user.mistake = self
                    .account_mistake(&user.account, &place)
                    .or_else(|| self.tags_mistake(&tags, counted, replace, &place));
            }
            user.tags.extend(tags);
        }
        Ok(Job {
            users: users.list,
            replace,
        })
    }

    fn accounts(&self, fields: &mut Map<String, Value>) -> Result<Job, Refusal> {
        let mut users = Users::default();
        let items = self.list(fields, "To_Account")?;
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("To_Account[{index}]");
            let user = users.get_or_insert(account(item, &place)?);
            user.mistake = self.account_mistake(&user.account, &place);
        }
        Ok(Job {
            users: users.list,
            replace: false,
        })
    }

    /// `Replace` is known to `timpush/add_tag` alone. Elsewhere it is refused rather than ignored: a caller that
    /// sends it would otherwise believe that the old tags are gone.
    fn replace(&self, fields: &mut Map<String, Value>) -> Result<bool, Refusal> {
        let Some(value) = fields.remove("Replace") else {
            return Ok(false);
        };
        if self.route != Route::new(Operation::Add, Generation::Timpush) {
            return Err(shape("Replace is for timpush/add_tag only"));
        }
        match value.as_u64() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(shape("Replace is neither 0 nor 1")),
        }
    }

    fn list(&self, fields: &mut Map<String, Value>, name: &str) -> Result<Vec<Value>, Refusal> {
        let items = list(fields, name, name)?;
        let (given, most) = (items.len(), self.limits.users_per_request);
        if given > most {
            let text = format!("{name} has {given} accounts, at most {most}");
            return Err(Refusal::new(90018, text));
        }
        Ok(items)
    }

    fn account_mistake(&self, account: &str, place: &str) -> Option<Refusal> {
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
        tags: &[String],
        counted: usize,
        replace: bool,
        place: &str,
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

/// The list `name` of an object; `place` is where it stands in the body.
fn list(fields: &mut Map<String, Value>, name: &str, place: &str) -> Result<Vec<Value>, Refusal> {
    match fields.remove(name) {
        Some(Value::Array(items)) if items.is_empty() => Err(shape(format!("{place} is empty"))),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(shape(format!("{place} is not a list"))),
        None => Err(missing(place, fields)),
    }
}

/// Names some of the fields that are there: SDKs misspell `UserTags`, or send one of its entries as the whole body.
fn missing(place: &str, others: &Map<String, Value>) -> Refusal {
    const MOST: usize = 4;
    let short = |name: &String| format!("{:?}", name.chars().take(32).collect::<String>());
    let names: Vec<String> = others.keys().take(MOST).map(short).collect();
    match names.as_slice() {
        [] => shape(format!("{place} is missing")),
        names => shape(format!("{place} is missing; there is {}", names.join(", "))),
    }
}

fn account(value: Value, place: &str) -> Result<String, Refusal> {
    let Value::String(account) = value else {
        let text = format!("{place}: the account is not a string");
        return Err(Refusal::new(60015, text));
    };
    Ok(account)
}

fn tags(user: &mut Map<String, Value>, place: &str) -> Result<Vec<String>, Refusal> {
    let items = list(user, "Tags", &format!("{place}.Tags"))?;
    let strings = items.into_iter().enumerate().map(|(index, item)| {
        let Value::String(tag) = item else {
            return Err(shape(format!("{place}.Tags[{index}] is not a string")));
        };
        Ok(tag)
    });
    strings.collect()
}

/// The users so far, each account once.
#[derive(Default)]
struct Users {
    list: Vec<User>,
    places: HashMap<String, usize>,
}

impl Users {
    fn get_or_insert(&mut self, account: String) -> &mut User {
        let next = self.list.len();
        let place = *self.places.entry(account.clone()).or_insert(next);
        if place == next {
            self.list.push(User {
                account,
                tags: Vec::new(),
                mistake: None,
            });
        }
        &mut self.list[place]
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
