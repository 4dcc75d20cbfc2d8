//! How a call or a change ended, in the form that the conformance cases expect. An error is asked for everything that
//! it knows.

use std::error::Error as _;

use imtag_transport::{
    CallOptions, Cause, ChangeError, Client, Effect, Error, Invalid, Operation, Outcome, Refusal,
    Request, Violation,
};
use serde_json::{Value, json};

/// Makes a call, if there is a request.
pub(crate) fn called(
    client: &Client,
    operation: Operation,
    request: Result<Box<dyn Request + '_>, Invalid>,
    options: &CallOptions,
) -> Value {
    match request.map(|request| client.call(&*request, options)) {
        Ok(Ok(outcome)) => json!({"status": "ok", "result": result(&outcome)}),
        Ok(Err(error)) => failed(&error),
        Err(invalid) => json!({"status": "invalid", "error": {
            "message": invalid.to_string(),
            "remedy": invalid.violations()[0].problem.remedy(),
            "effect": Effect::NotApplied.for_operation(operation).name(),
            "violations": violations(&invalid),
        }}),
    }
}

/// No client could be made.
pub(crate) fn unusable_settings(unusable: &(dyn std::error::Error + Send + Sync)) -> Value {
    json!({"status": "settings", "error": {"message": unusable.to_string()}})
}

fn result(outcome: &Outcome) -> Value {
    let users = outcome.tags.iter();
    let users = users.map(|user| json!({"account": user.account, "tags": user.tags}));
    json!({
        "accounts": outcome.accounts,
        "attempts": outcome.attempts,
        "attempts_sent": outcome.sent,
        "request_id": outcome.request_id,
        "users": users.collect::<Vec<_>>(),
        "unanswered": outcome.unanswered,
    })
}

fn failed(error: &Error) -> Value {
    let mut described = described(error, error.to_string());
    described["attempts"] = error.attempts().into();
    described["attempts_sent"] = error.sent().into();
    described["request_id"] = error.request_id().into();
    let failures = error.failures().iter().map(|it| failure(error, it));
    described["failures"] = failures.collect();
    let mut outcome = json!({"status": error.cause().name(), "error": described});
    if let Cause::Partial { outcome: done, .. } = error.cause() {
        outcome["result"] = result(done);
    }
    outcome
}

/// A change that is not done, by its position.
pub(crate) fn change_failed(position: &str, at: u64, error: &ChangeError) -> Value {
    let mut failure = described(error.error(), error.to_string());
    failure["status"] = error.cause().name().into();
    failure["account"] = error.account().into();
    failure["undone"] = error.undone().into();
    failure[position] = at.into();
    failure
}

/// What a call's error knows, and a change's.
fn described(error: &Error, message: String) -> Value {
    json!({
        "message": message,
        "remedy": error.remedy(),
        "code": error.code().map(|code| code.0),
        "text": error.refusal().map(|refusal| &refusal.text),
        "effect": error.effect().name(),
        "retryable": error.retryable(),
        "violations": error.source().and_then(|it| it.downcast_ref()).map(violations),
    })
}

fn violations(invalid: &Invalid) -> Vec<Value> {
    let of = |violation: &Violation| {
        json!({
            "place": violation.place.to_string(),
            "problem": violation.problem.to_string(),
            "remedy": violation.problem.remedy(),
        })
    };
    invalid.violations().iter().map(of).collect()
}

fn failure(error: &Error, (account, refusal): &(String, Refusal)) -> Value {
    json!({
        "account": account,
        "code": refusal.code.0,
        "text": refusal.text,
        "remedy": refusal.code.remedy(),
        "effect": error.effect().name(),
        "retryable": refusal.retryable(),
    })
}
