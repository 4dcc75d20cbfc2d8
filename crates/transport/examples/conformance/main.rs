//! The conformance runner for Rust: a case a line on standard input, its outcome a line on standard output. It makes
//! the client and the call that a case describes, through this crate's public API, and compares nothing.
//! `tests/conformance/README.md` has the form of both.

mod outcome;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use imtag_transport::{
    AddTags, CallOptions, CancelToken, ClearTags, Client, Credentials, GetTags, Limits, RemoveTags,
    RetryPolicy, SecretKey, SuppliedUserSig, UserSig,
};
use outcome::Ended;
use serde_json::{Map, Value};

/// A case that this runner does not understand.
type NotACase = Box<dyn Error>;

/// A setting that cannot be used.
type Unusable = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), NotACase> {
    for line in io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let mut outcome = serde_json::to_vec(&outcome_of(&case)?)?;
        outcome.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&outcome)?;
        out.flush()?;
    }
    Ok(())
}

fn outcome_of(case: &Value) -> Result<Value, NotACase> {
    let settings = case["settings"].as_object().ok_or("a case has settings")?;
    match client(settings) {
        Ok(client) => call(&client, &case["call"]),
        Err(unusable) => Ok(outcome::of_settings(&*unusable)),
    }
}

fn client(settings: &Map<String, Value>) -> Result<Client, Unusable> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    let number = |name: &str| settings.get(name).and_then(Value::as_u64);
    let small = |name: &str| number(name).map(u32::try_from).transpose();
    let time = |name: &str| number(name).map(Duration::from_millis);

    let app = small("sdkappid")?.unwrap_or_default();
    let identifier = text("identifier").unwrap_or_default();
    let mut builder = Client::builder(app, identifier, credentials(settings)?);
    if let Some(region) = text("region") {
        builder = builder.region(region.parse()?);
    }
    if let Some(endpoint) = text("endpoint") {
        builder = builder.endpoint(endpoint);
    }
    if let Some(generation) = text("generation") {
        builder = builder.generation(generation.parse()?);
    }
    if let Some(calls) = small("calls_per_second")? {
        builder = builder.calls_per_second(calls);
    }
    if let Some(fresh_start) = settings.get("fresh_start").and_then(Value::as_bool) {
        builder = builder.fresh_start(fresh_start);
    }
    if let Some(timeout) = time("timeout_ms") {
        builder = builder.timeout(timeout);
    }
    if let Some(timeout) = time("connect_timeout_ms") {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(max_attempts) = small("max_attempts")? {
        builder = builder.retry(RetryPolicy {
            max_attempts,
            ..RetryPolicy::default()
        });
    }
    if let Some(path) = text("ca_file") {
        builder = builder.ca_file(path);
    }
    let mut limits = Limits::default();
    for (name, limit) in settings
        .get("limits")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let limit = limit.as_u64().ok_or("a limit is a number")?;
        limits.set(name, usize::try_from(limit)?)?;
    }
    Ok(builder.limits(limits).build()?)
}

fn credentials(settings: &Map<String, Value>) -> Result<Credentials, Unusable> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    if let Some(key) = text("secret_key") {
        return Ok(SecretKey::new(key)?.into());
    }
    if let Some(usersig) = text("usersig") {
        return Ok(UserSig::new(usersig)?.into());
    }
    let answer = settings.get("credential_callback").cloned();
    let answer = answer.ok_or("this API does not let credentials be left out")?;
    let asked = AtomicBool::new(false);
    Ok(Credentials::callback(move || {
        let again = asked.swap(true, Ordering::Relaxed);
        if let Some(reason) = answer["refuse"].as_str() {
            if again || answer["usersig"].is_null() {
                return Err(reason.into());
            }
        }
        let valid_for = answer["valid_for_ms"].as_u64().filter(|time| *time > 0);
        Ok(SuppliedUserSig {
            usersig: UserSig::new(answer["usersig"].as_str().unwrap_or_default())?,
            valid_for: valid_for.map(Duration::from_millis),
        })
    }))
}

/// Makes the call of a case, with what may cancel it.
fn call(client: &Client, call: &Value) -> Result<Value, NotACase> {
    let time = |name: &str| call[name].as_u64().map(Duration::from_millis);
    let mut options = CallOptions::new();
    if let Some(timeout) = time("timeout_ms") {
        options = options.timeout(timeout);
    }
    if let Some(timeout) = time("attempt_timeout_ms") {
        options = options.attempt_timeout(timeout);
    }
    let token = CancelToken::new();
    let Some(after) = time("cancel_after_ms") else {
        return Ok(outcome::of(ended(client, call, &options)?));
    };
    let options = options.cancel(&token);
    if after.is_zero() {
        token.cancel();
        return Ok(outcome::of(ended(client, call, &options)?));
    }
    let (over, until_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if until_over.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                token.cancel();
            }
        });
        let ended = ended(client, call, &options);
        drop(over);
        Ok(outcome::of(ended?))
    })
}

fn ended(client: &Client, call: &Value, options: &CallOptions) -> Result<Ended, NotACase> {
    let rules = client.rules();
    let (users, accounts) = (users(&call["users"])?, texts(&call["accounts"])?);
    let users = users.iter().map(|(account, tags)| {
        let tags = tags.iter().map(Vec::as_slice);
        (account.as_slice(), tags)
    });
    let accounts = accounts.iter().map(Vec::as_slice);
    Ok(match call["operation"].as_str() {
        Some("add") => Ended::of(client, AddTags::by(rules, users), options),
        Some("remove") => Ended::of(client, RemoveTags::by(rules, users), options),
        Some("replace") => Ended::of(client, AddTags::replacing(rules, users), options),
        Some("get") => Ended::of(client, GetTags::by(rules, accounts), options),
        Some("clear") => Ended::of(client, ClearTags::by(rules, accounts), options),
        _ => return Err(format!("there is no operation {}", call["operation"]).into()),
    })
}

/// An account and its tags, as bytes.
type User = (Vec<u8>, Vec<Vec<u8>>);

fn users(users: &Value) -> Result<Vec<User>, NotACase> {
    let user = |user: &Value| Ok((text(&user["account"])?, texts(&user["tags"])?));
    users.as_array().into_iter().flatten().map(user).collect()
}

fn texts(texts: &Value) -> Result<Vec<Vec<u8>>, NotACase> {
    texts.as_array().into_iter().flatten().map(text).collect()
}

/// A string, or any bytes as `{"hex": "…"}`.
fn text(text: &Value) -> Result<Vec<u8>, NotACase> {
    if let Some(text) = text.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let hex = text["hex"].as_str().ok_or("a text is a string or hex")?;
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    hex.as_bytes().chunks(2).map(byte).collect()
}
