//! The parts of a case that calls, bulk runs and batchers have in common.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use imtag_transport::{CallOptions, CancelToken, ChangeOperation, ChangeRequest, SessionOptions};
use serde_json::Value;

use crate::{NotACase, lines};

/// Accounts or tags.
pub(crate) fn texts(texts: &Value) -> Result<Vec<Vec<u8>>, NotACase> {
    texts.as_array().into_iter().flatten().map(bytes).collect()
}

/// A string, or any bytes as `{"hex": "…"}`.
pub(crate) fn bytes(text: &Value) -> Result<Vec<u8>, NotACase> {
    if let Some(text) = text.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let hex = text["hex"].as_str().ok_or("a text is a string or hex")?;
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    hex.as_bytes().chunks(2).map(byte).collect()
}

/// A change.
pub(crate) fn change(change: &Value) -> Result<ChangeRequest, NotACase> {
    let operation = match change["operation"].as_str().unwrap_or_default() {
        "add" => ChangeOperation::Add,
        "remove" => ChangeOperation::Remove,
        "clear" => ChangeOperation::Clear,
        "replace" => ChangeOperation::Replace,
        other => return Err(NotACase::from(format!("there is no change {other:?}"))),
    };
    let (account, tags) = (bytes(&change["account"])?, texts(&change["tags"])?);
    let tags = tags.iter().map(Vec::as_slice);
    Ok(ChangeRequest::from_bytes(operation, &account, tags))
}

pub(crate) fn time(value: &Value, name: &str) -> Option<Duration> {
    value[name].as_u64().map(Duration::from_millis)
}

/// A value with a setting, where that is given.
pub(crate) fn with<T, V>(to: T, given: Option<V>, set: impl FnOnce(T, V) -> T) -> T {
    match given {
        Some(value) => set(to, value),
        None => to,
    }
}

/// The options that bulk runs and batchers have in common.
pub(crate) fn session_options<K>(
    options: SessionOptions<K>,
    case: &Value,
) -> Result<SessionOptions<K>, NotACase> {
    let given = &case["options"];
    let options = [
        ("timeout_ms", SessionOptions::timeout as fn(_, _) -> _),
        ("attempt_timeout_ms", SessionOptions::attempt_timeout),
        ("late_window_ms", SessionOptions::late_window),
        ("linger_ms", SessionOptions::linger),
    ]
    .into_iter()
    .fold(options, |options, (name, set)| {
        with(options, time(given, name), set)
    });
    let capacity = given["capacity"].as_u64().map(usize::try_from);
    Ok(with(
        options,
        capacity.transpose()?,
        SessionOptions::capacity,
    ))
}

/// Does something with the times of a call or of a batcher's step. It is cancelled if the case says so: before it begins,
/// some time after its start, or when so many requests have arrived.
pub(crate) fn with_options<T>(case: &Value, act: impl FnOnce(&CallOptions) -> T) -> T {
    let token = CancelToken::new();
    let options = CallOptions::new().cancel(&token);
    let options = with(options, time(case, "timeout_ms"), CallOptions::timeout);
    let attempt = time(case, "attempt_timeout_ms");
    let options = with(options, attempt, CallOptions::attempt_timeout);
    let after = time(case, "cancel_after_ms");
    if after.is_some_and(|after| after.is_zero()) {
        token.cancel();
    }
    let (over, until_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let token = &token;
        if let Some(count) = case["cancel_after_arrivals"].as_u64() {
            scope.spawn(move || {
                lines::await_arrivals(count).expect("the harness answers");
                token.cancel();
            });
        } else if let Some(after) = after {
            scope.spawn(move || {
                if until_over.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                    token.cancel();
                }
            });
        }
        let done = act(&options);
        drop(over);
        done
    })
}
