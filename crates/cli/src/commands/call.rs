//! One call of the service, and its report: `add`, `get`, `remove`, `clear`. Every account that was asked for ends as
//! done or is named with its reason and effect.

use std::io::{self, Write};

use imtag_core::Rules;
use imtag_transport::{
    AccountTags, CallOptions, Cause, Client, Effect, Error, Operation, Outcome, Request,
};
use serde::{Serialize, Serializer};

use super::context::Context;
use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::{
    Output, Show, Shown, bounded, code_and_reason, count, in_words, note_error, note_user, said,
};

/// Makes one call.
pub(super) struct Caller {
    client: Client,
    interrupt: Interrupt,
    output: Output,
}

/// What a call did. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Report {
    #[serde(serialize_with = "as_name")]
    operation: Operation,
    /// The number of accounts that it was done for.
    accounts: usize,
    attempts: u32,
    request_id: Option<String>,
    /// What went wrong, in the sentence that the library makes of it in every language.
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<User>>,
    failures: Vec<Failure>,
    /// True if all failed for one reason, which `message` says.
    #[serde(skip)]
    failed_as_one: bool,
}

#[derive(Serialize)]
struct User {
    account: String,
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Failure {
    account: String,
    /// The service's code, where it is the service that said so.
    code: Option<i32>,
    reason: String,
    remedy: &'static str,
    effect: &'static str,
}

impl Caller {
    pub(super) fn new(context: &Context<'_>) -> Result<Caller, CommandError> {
        let interrupt = Interrupt::install(context.output)?;
        Ok(Caller {
            client: context.client()?,
            interrupt,
            output: context.output,
        })
    }

    pub(super) fn rules(&self) -> &Rules {
        self.client.rules()
    }

    pub(super) fn call(&self, request: &dyn Request) -> Result<Exit, CommandError> {
        self.interrupt.busy_with(Busy::Calling);
        let options = CallOptions::new().cancel(self.interrupt.token());
        let (report, exit) = match self.client.call(request, &options) {
            Ok(outcome) => (
                Report::from_outcome(request.operation(), outcome),
                Exit::Done,
            ),
            Err(error) => {
                let exit = Exit::from_call(&error);
                (Report::from_error(request, &error), exit)
            }
        };
        if let Some(message) = &report.message {
            note_error(Shown(message));
        }
        if !self.output.is_json() {
            report.note_failures();
        }
        self.interrupt.busy_with(Busy::Reporting);
        self.output.show(&report)?;
        Ok(match exit {
            Exit::Done if !report.failures.is_empty() => Exit::SomeFailed,
            exit => exit,
        })
    }
}

impl Report {
    fn from_outcome(operation: Operation, outcome: Outcome) -> Report {
        // the service does not document whether such an account has no tags or could not be read: it is not called done
        let unanswered = outcome.unanswered.into_iter().map(|account| Failure {
            account,
            code: None,
            reason: "not in the answer".to_owned(),
            remedy: "check the account",
            effect: Effect::NotApplied.for_operation(operation).name(),
        });
        Report {
            operation,
            accounts: outcome.accounts,
            attempts: outcome.attempts,
            request_id: outcome.request_id.as_deref().map(bounded),
            message: None,
            users: (operation == Operation::Get).then(|| users(outcome.tags)),
            failures: unanswered.collect(),
            failed_as_one: false,
        }
    }

    fn from_error(request: &dyn Request, error: &Error) -> Report {
        let (operation, effect) = (request.operation(), error.effect().name());
        let (code, reason) = code_and_reason(error);
        let message = Some(error.to_string());
        if let Cause::Partial { outcome, failures } = error.cause() {
            let mut report = Report {
                message,
                ..Report::from_outcome(operation, (**outcome).clone())
            };
            let failures = failures.iter().map(|(account, refusal)| Failure {
                account: account.clone(),
                code: Some(refusal.code.0),
                reason: said(refusal),
                remedy: refusal.code.remedy(),
                effect,
            });
            report.failures.extend(failures);
            return report;
        }
        let failures = request.accounts().iter().map(|account| Failure {
            account: account.as_str().to_owned(),
            code,
            reason: reason.clone(),
            remedy: error.remedy(),
            effect,
        });
        Report {
            operation,
            accounts: 0,
            attempts: error.attempts(),
            request_id: error.request_id().map(bounded),
            message,
            users: (operation == Operation::Get).then(Vec::new),
            failures: failures.collect(),
            failed_as_one: true,
        }
    }

    /// Names every account that failed, for people: on standard error, as all messages.
    fn note_failures(&self) {
        for failure in &self.failures {
            let (account, effect) = (Shown(&failure.account), failure.effect);
            if self.failed_as_one {
                note_user(format_args!("{account}: {effect}"));
            } else {
                let why = in_words(failure.code, &failure.reason, failure.remedy);
                note_user(format_args!("{account}: {effect}: {why}"));
            }
        }
    }
}

fn as_name<S: Serializer>(operation: &Operation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.name())
}

fn users(tags: Vec<AccountTags>) -> Vec<User> {
    let users = tags.into_iter().map(|user| User {
        account: user.account,
        tags: user.tags,
    });
    users.collect()
}

impl Show for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for user in self.users.iter().flatten() {
            writeln!(out, "{}", Shown(&user.account))?;
            for tag in &user.tags {
                writeln!(out, "  {}", Shown(tag))?;
            }
            if user.tags.is_empty() {
                writeln!(out, "  (no tags)")?;
            }
        }
        let done = match self.operation {
            Operation::Add => "tags added to",
            Operation::Remove => "tags removed from",
            Operation::Clear => "all tags removed from",
            Operation::Get => return Ok(()),
        };
        match self.accounts {
            0 => Ok(()),
            users => writeln!(out, "{done} {}", count(users, "user", "users")),
        }
    }

    fn tells_of_a_change(&self) -> bool {
        self.operation != Operation::Get
    }
}
