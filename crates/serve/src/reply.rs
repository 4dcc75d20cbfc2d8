//! The answer to a call, of the outcomes of its users, so that no client can misread it.
//!
//! | | newer paths (`timpush`) | older paths, whose clients know no `ErrorList` |
//! |---|---|---|
//! | all are done | OK | OK |
//! | some failed | OK, and who failed in `ErrorList` | FAIL with the first one's code, and what became of the others in `ErrorInfo` |
//! | some have mistakes | the same: the others are done | FAIL with the first mistake's code, and nothing is sent: so does the service. `ErrorList` has all users, those at fault first |
//! | all failed by one code that is about no account | FAIL with it | FAIL with it |
//! | each failed behind an earlier change of its account | OK, and who failed in `ErrorList` with 60008 | FAIL and 60008 |
//! | all failed, as the service is away | FAIL and 60008, HTTP 504, or 502 if nothing was applied; of a get, if nothing was sent | the same |
//! | all failed, as the daemon ends, or has no memory for the call | FAIL and 60008, HTTP 503 | the same |

use std::sync::Arc;

use hyper::StatusCode;
use imtag_core::{Effect, Generation};
use imtag_wire::{Answer, Failed, Refusal, Route, UserTags};

use crate::failure::{Failure, Kind};

/// How many failed users `ErrorInfo` names; `ErrorList` has all of them.
const NAMED_AT_MOST: usize = 5;

/// What became of a user: the tags of a get, if the service named the user; `None` for a change.
pub(crate) type Fate = Result<Option<Vec<String>>, Failure>;

/// A status, and what goes with it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) answer: Answer,
}

impl Reply {
    /// A call that is refused as a whole before anything is sent.
    pub(crate) fn refused(refusal: Refusal, not_done: Effect) -> Reply {
        let failure = Failure::mistake(refusal, not_done);
        Reply::fail(StatusCode::OK, failure.reason.clone(), &failure)
    }

    /// A caller that may not call.
    pub(crate) fn denied(refusal: Refusal) -> Reply {
        let failure = Failure::denied(refusal);
        Reply::fail(StatusCode::OK, failure.reason.clone(), &failure)
    }

    /// A call that comes before the daemon takes any.
    pub(crate) fn starting(not_done: Effect) -> Reply {
        Reply::unavailable(&Failure::starting(not_done))
    }

    /// A change whose time was up while changes were held back.
    pub(crate) fn held_back(not_done: Effect) -> Reply {
        Reply::unavailable(&Failure::held_back(not_done))
    }

    /// A call whose body has no room beside those of others.
    pub(crate) fn no_room(not_done: Effect) -> Reply {
        Reply::unavailable(&Failure::no_room(not_done))
    }

    fn unavailable(failure: &Failure) -> Reply {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Reply::fail(status, failure.sentence(), failure)
    }

    /// A call whose time was up while the daemon read its settings anew.
    pub(crate) fn reloading(not_done: Effect) -> Reply {
        let failure = Failure::reloading(not_done);
        Reply::fail(StatusCode::OK, failure.sentence(), &failure)
    }

    /// With another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Reply {
        Reply { status, ..self }
    }

    fn fail(status: StatusCode, text: String, failure: &Failure) -> Reply {
        let mut answer = Answer::fail(Refusal::new(failure.code, text));
        answer.advice = Some(failure.advice());
        Reply { status, answer }
    }
}

/// The answer for these users, in the order of the call, of which there is at least one.
pub(crate) fn reply(route: Route, users: Vec<(String, Fate)>) -> Reply {
    let is_get = route.operation == imtag_core::Operation::Get;
    let count = users.len();
    let mut read = Vec::new();
    let mut failures = Vec::new();
    for (account, fate) in users {
        match fate {
            Ok(Some(tags)) => read.push(UserTags {
                account,
                tags: tags.into_iter().map(Arc::from).collect(),
            }),
            Ok(None) => {}
            Err(failure) => failures.push((account, failure)),
        }
    }
    let mut reply = outcome(route, count, &failures);
    // a failure has tags only if some were read
    let has_tags = is_get && (reply.answer.error_code == 0 || !read.is_empty());
    reply.answer.user_tags = has_tags.then_some(read);
    reply.answer.error_list = failures.into_iter().map(failed_user).collect();
    reply
}

/// The answer to a call of which nothing is sent, as one of its users or more has a mistake. Those at fault come first in
/// its list, as many read but one reason.
pub(crate) fn refused_for_some(
    users: impl Iterator<Item = (String, Option<Refusal>)>,
    not_done: Effect,
) -> Reply {
    let (mut at_fault, mut others) = (Vec::new(), Vec::new());
    for (account, mistake) in users {
        match mistake {
            Some(mistake) => at_fault.push((account, Failure::mistake(mistake, not_done))),
            None => others.push(account),
        }
    }
    let first = at_fault[0].1.clone();
    let beside = Failure::beside(&first);
    let count = at_fault.len() + others.len();
    let text = if count == 1 {
        first.reason.clone()
    } else {
        let reasons = at_fault.iter().map(|(_, failure)| failure.reason.clone());
        let failed = at_fault.len();
        let are = if failed == 1 { "is" } else { "are" };
        format!(
            "{failed} of {count} users {are} at fault, and none was sent: {}",
            bounded(reasons)
        )
    };
    let told = Failure {
        retryable: !others.is_empty(),
        ..first
    };
    let mut reply = Reply::fail(StatusCode::OK, text, &told);
    at_fault.extend(others.into_iter().map(|it| (it, beside.clone())));
    reply.answer.error_list = at_fault.into_iter().map(failed_user).collect();
    reply
}

fn outcome(route: Route, count: usize, failures: &[(String, Failure)]) -> Reply {
    let Some((_, first)) = failures.first() else {
        return Reply {
            status: StatusCode::OK,
            answer: Answer::ok(false),
        };
    };
    let all =
        |is: fn(&Failure) -> bool| failures.len() == count && failures.iter().all(|it| is(&it.1));
    let effect = failures.iter().map(|it| it.1.effect).max();
    let status = if all(|it| it.kind == Kind::Closing) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if !all(|it| matches!(it.kind, Kind::Away | Kind::Closing)) {
        StatusCode::OK
    } else if failures.iter().any(|it| it.1.is_unanswered) {
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::BAD_GATEWAY
    };
    let same = failures.iter().all(|it| it.1.code == first.code);
    let is_of_call = status != StatusCode::OK
        || (failures.len() == count && same && (first.is_of_all || first.kind == Kind::Busy));
    if route.generation == Generation::Timpush && !is_of_call {
        return Reply {
            status,
            answer: Answer::ok(false),
        };
    }
    let told = Failure {
        effect: effect.unwrap_or(first.effect),
        retryable: failures.iter().any(|it| it.1.retryable),
        ..first.clone()
    };
    let text = if is_of_call || count == 1 {
        told.sentence()
    } else {
        sentence(count, failures)
    };
    Reply::fail(status, text, &told)
}

/// `2 of 3 users failed, the other is done: "a": …; "b": …`.
fn sentence(count: usize, failures: &[(String, Failure)]) -> String {
    let done = match count - failures.len() {
        0 => "none is done".to_owned(),
        1 => "the other is done".to_owned(),
        done => format!("the other {done} are done"),
    };
    let named = failures
        .iter()
        .map(|(account, failure)| format!("{account:?}: {}", failure.sentence()));
    let failed = failures.len();
    format!(
        "{failed} of {count} users failed, {done}: {}",
        bounded(named)
    )
}

/// The first few of them, and how many more there are.
fn bounded(reasons: impl ExactSizeIterator<Item = String>) -> String {
    let rest = match reasons.len().saturating_sub(NAMED_AT_MOST) {
        0 => String::new(),
        rest => format!("; and {rest} more, see ErrorList"),
    };
    let named: Vec<_> = reasons.take(NAMED_AT_MOST).collect();
    named.join("; ") + &rest
}

fn failed_user((account, failure): (String, Failure)) -> Failed {
    let advice = failure.advice();
    let mut failed = Failed::new(account, Refusal::new(failure.code, failure.reason));
    failed.advice = Some(advice);
    failed
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
