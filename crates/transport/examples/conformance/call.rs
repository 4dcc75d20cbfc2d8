//! A call of a case.

use imtag_transport::{
    AddTags, CallOptions, ClearTags, Client, GetTags, Invalid, Operation, RemoveTags, Request,
};
use serde_json::Value;

use crate::NotACase;
use crate::case::{bytes, texts, with_options};
use crate::outcome::called;

/// Makes it, with what may cancel it.
pub(crate) fn make(client: &Client, call: &Value) -> Result<Value, NotACase> {
    with_options(call, |options| make_with(client, call, options))
}

fn make_with(client: &Client, call: &Value, options: &CallOptions) -> Result<Value, NotACase> {
    let rules = client.rules();
    let (users, accounts) = (users(&call["users"])?, texts(&call["accounts"])?);
    let users = users.iter().map(|(account, tags)| {
        let tags = tags.iter().map(Vec::as_slice);
        (account.as_slice(), tags)
    });
    let accounts = accounts.iter().map(Vec::as_slice);
    let (operation, request) = match call["operation"].as_str() {
        Some("add") => (Operation::Add, boxed(AddTags::with_rules(rules, users))),
        Some("remove") => (
            Operation::Remove,
            boxed(RemoveTags::with_rules(rules, users)),
        ),
        Some("replace") => (Operation::Add, boxed(AddTags::replacing(rules, users))),
        Some("get") => (Operation::Get, boxed(GetTags::with_rules(rules, accounts))),
        Some("clear") => (
            Operation::Clear,
            boxed(ClearTags::with_rules(rules, accounts)),
        ),
        _ => return Err(format!("there is no operation {}", call["operation"]).into()),
    };
    Ok(called(client, operation, request, options))
}

fn boxed<'r>(
    request: Result<impl Request + 'r, Invalid>,
) -> Result<Box<dyn Request + 'r>, Invalid> {
    Ok(Box::new(request?))
}

/// An account and its tags, as bytes.
type User = (Vec<u8>, Vec<Vec<u8>>);

fn users(users: &Value) -> Result<Vec<User>, NotACase> {
    let user = |user: &Value| Ok((bytes(&user["account"])?, texts(&user["tags"])?));
    users.as_array().into_iter().flatten().map(user).collect()
}
