//! The conformance runner for Rust: a case a line on standard input, its outcome a line on standard output. It makes
//! the client and what else a case describes, through this crate's public API, and compares nothing.
//! `tests/conformance/README.md` has the form of both.

mod batcher;
mod bulk;
mod call;
mod case;
mod lines;
mod observe;
mod outcome;

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use case::with;
use imtag_transport::{
    Client, ClientBuilder, Config, Credentials, Figure, Limits, RetryPolicy, SecretKey,
    SuppliedUserSig, UserSig,
};
use serde_json::{Map, Value};

/// A case that this runner does not understand.
type NotACase = Box<dyn Error>;

/// A setting that cannot be used.
type Unusable = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), NotACase> {
    while let Some(case) = lines::read()? {
        lines::write(&outcome_of(&case)?)?;
    }
    Ok(())
}

fn outcome_of(case: &Value) -> Result<Value, NotACase> {
    let is_observed = case["observe"] == true;
    if is_observed {
        observe::begin();
    }
    let (mut outcome, figures) = play(case)?;
    if is_observed {
        outcome["stats"] = observe::stats(&figures);
        outcome["events"] = observe::events();
    }
    Ok(outcome)
}

/// The outcome, and the figures of the client and of its bulk run or batcher.
fn play(case: &Value) -> Result<(Value, Vec<Figure>), NotACase> {
    let settings = case["settings"].as_object().ok_or("a case has settings")?;
    let client = match client(settings) {
        Ok(client) => client,
        Err(unusable) => return Ok((outcome::unusable_settings(&*unusable), Vec::new())),
    };
    let (outcome, session) = if case.get("bulk").is_some() {
        bulk::run(&client, &case["bulk"])?
    } else if case.get("batcher").is_some() {
        batcher::live(&client, &case["batcher"])?
    } else {
        (call::make(&client, &case["call"])?, Vec::new())
    };
    let mut figures = client.stats().figures();
    figures.extend(session);
    Ok((outcome, figures))
}

/// A number, or as a text one that JSON cannot say: `NaN`.
fn calls_per_second(settings: &Map<String, Value>) -> Result<Option<f64>, Unusable> {
    let Some(value) = settings.get("calls_per_second") else {
        return Ok(None);
    };
    let text = value.as_str().map(str::parse).transpose()?;
    Ok(text.or(value.as_f64()))
}

fn client(settings: &Map<String, Value>) -> Result<Client, Unusable> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    let number = |name: &str| settings.get(name).and_then(Value::as_u64);
    let small = |name: &str| number(name).map(u32::try_from).transpose();
    let time = |name: &str| number(name).map(Duration::from_millis);

    let app = small("sdkappid")?.unwrap_or_default();
    let identifier = text("identifier").unwrap_or_default();
    let mut builder = match text("from_env") {
        Some(profile) => Config::from_env(Some(profile))?.builder(),
        None => ClientBuilder::default(),
    };
    builder = builder.app(app, identifier);
    builder = with(builder, credentials(settings)?, ClientBuilder::credentials);
    let region = text("region").map(str::parse).transpose()?;
    builder = with(builder, region, ClientBuilder::region);
    builder = with(builder, text("endpoint"), ClientBuilder::endpoint);
    let spare = text("spare_endpoint");
    builder = with(builder, spare, ClientBuilder::spare_endpoint);
    builder = with(builder, text("proxy"), ClientBuilder::proxy);
    let roots = text("roots").map(str::parse).transpose()?;
    builder = with(builder, roots, ClientBuilder::roots);
    let generation = text("generation").map(str::parse).transpose()?;
    builder = with(builder, generation, ClientBuilder::generation);
    let calls = calls_per_second(settings)?;
    builder = with(builder, calls, ClientBuilder::calls_per_second);
    let fresh_start = settings.get("fresh_start").and_then(Value::as_bool);
    builder = with(builder, fresh_start, ClientBuilder::fresh_start);
    builder = with(builder, time("timeout_ms"), ClientBuilder::timeout);
    let connect_timeout = time("connect_timeout_ms");
    builder = with(builder, connect_timeout, ClientBuilder::connect_timeout);
    let retry = small("max_attempts")?.map(|max_attempts| RetryPolicy {
        max_attempts,
        ..RetryPolicy::default()
    });
    builder = with(builder, retry, ClientBuilder::retry);
    builder = with(builder, text("ca_file"), ClientBuilder::ca_file);
    let mut limits = Limits::default();
    let given = settings.get("limits").and_then(Value::as_object);
    for (name, limit) in given.into_iter().flatten() {
        let limit = limit.as_u64().ok_or("a limit is a number")?;
        limits.set(name, usize::try_from(limit)?)?;
    }
    Ok(builder.limits(limits).build()?)
}

fn credentials(settings: &Map<String, Value>) -> Result<Option<Credentials>, Unusable> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str);
    if let Some(key) = text("secret_key") {
        return Ok(Some(SecretKey::new(key)?.into()));
    }
    if let Some(usersig) = text("usersig") {
        return Ok(Some(UserSig::new(usersig)?.into()));
    }
    let Some(answer) = settings.get("credential_callback").cloned() else {
        return Ok(None);
    };
    let asked = AtomicBool::new(false);
    Ok(Some(Credentials::callback(move || {
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
    })))
}
