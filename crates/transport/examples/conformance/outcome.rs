//! How a call or a change ended, in the form that the conformance cases expect. An error is asked for everything that
//! it knows.

use std::error::Error as _;

use imtag_transport::{
    CallOptions, Cause, ChangeCause, ChangeError, Client, Effect, Error, Failure, Invalid, Outcome,
    Refusal, Request, RunError, Violation,
};
use serde_json::{Value, json};

/// Makes a call, if there is a request.
pub(crate) fn called<R: Request>(
    client: &Client,
    request: Result<R, Invalid>,
    options: &CallOptions,
) -> Value {
    match request.map(|request| client.call(&request, options)) {
        Ok(Ok(outcome)) => json!({"status": "ok", "result": result(&outcome)}),
        Ok(Err(error)) => failed(&error),
        Err(invalid) => json!({"status": "invalid", "error": {
            "message": invalid.to_string(),
            "remedy": invalid.violations()[0].problem.remedy(),
            "effect": Effect::NotApplied.for_operation(R::OPERATION).name(),
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
    let mut outcome = json!({"status": status(error.cause()), "error": {
        "message": error.to_string(),
        "remedy": error.remedy(),
        "code": error.code().map(|code| code.0),
        "text": refusal(error.cause()).map(|refusal| &refusal.text),
        "effect": error.effect().name(),
        "retryable": error.retryable(),
        "attempts": error.attempts(),
        "attempts_sent": error.sent(),
        "request_id": error.request_id(),
        "violations": error.source().and_then(|it| it.downcast_ref()).map(violations),
        "failures": error.failures().iter().map(failure).collect::<Vec<_>>(),
    }});
    if let Cause::Partial(partial) = error.cause() {
        outcome["result"] = result(&partial.outcome);
    }
    outcome
}

/// A change that is not done, by its position.
pub(crate) fn change_failed(position: &str, at: u64, error: &ChangeError) -> Value {
    let mut failure = json!({
        "status": status_of_change(error.cause()),
        "account": error.account(),
        "undone": error.undone(),
        "message": error.to_string(),
        "remedy": error.remedy(),
        "code": error.code().map(|code| code.0),
        "text": error.refusal().map(|refusal| &refusal.text),
        "effect": error.effect().name(),
        "retryable": error.retryable(),
        "violations": error.source().and_then(|it| it.downcast_ref()).map(violations),
    });
    failure[position] = at.into();
    failure
}

fn status_of_change(cause: &ChangeCause) -> &'static str {
    match cause {
        ChangeCause::Invalid(_) => "invalid",
        ChangeCause::LeftOut(_) | ChangeCause::RefusedBefore(_) => "service",
        ChangeCause::Request(error)
        | ChangeCause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
            status(error.as_ref().cause())
        }
        ChangeCause::Expired | ChangeCause::NotAnswered => "timeout",
        ChangeCause::Abandoned | ChangeCause::Ended(RunError::Cancelled) => "cancelled",
        ChangeCause::Full => "full",
        ChangeCause::Closed => "closed",
        ChangeCause::Forked => "misuse",
        ChangeCause::NoThread(_) => "no_thread",
        _ => "defect",
    }
}

pub(crate) fn status(cause: &Cause) -> &'static str {
    match cause {
        Cause::Invalid(_) => "invalid",
        Cause::Credentials(_) => "credentials",
        Cause::Service { .. } => "service",
        Cause::Partial(_) => "partial",
        Cause::Encoded { status: 200, .. } => "not_understood",
        Cause::HttpStatus { .. } | Cause::Encoded { .. } => "http_status",
        Cause::Timeout { .. } => "timeout",
        Cause::Cancelled { .. } => "cancelled",
        Cause::Network { .. } => "network",
        Cause::Tls(_) => "tls",
        Cause::NotUnderstood(_) => "not_understood",
        _ => "defect",
    }
}

fn refusal(cause: &Cause) -> Option<&Refusal> {
    match cause {
        Cause::Service { refusal, .. } => Some(refusal),
        Cause::Partial(partial) => partial.failures.first().map(|failure| &failure.refusal),
        _ => None,
    }
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

fn failure(failure: &Failure) -> Value {
    json!({
        "account": failure.account,
        "code": failure.refusal.code.0,
        "text": failure.refusal.text,
        "remedy": failure.refusal.code.remedy(),
        "effect": failure.effect.name(),
        "retryable": failure.retryable(),
    })
}
