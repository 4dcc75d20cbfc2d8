//! One call of the service, and its report: `add`, `get`, `remove`, `clear`. Every account that was asked for ends as
//! done or is named with its reason and effect.

use std::io::{self, Write};

use imtag_core::Rules;
use imtag_transport::{
    AccountTags, CallOptions, Cause, Effect, Error, Operation, Outcome, Request,
};
use serde::Serialize;

use super::Context;
use crate::args::UserAndTags;
use crate::exit::Exit;
use crate::failure::CommandError;
use crate::interrupt::{Busy, Interrupt};
use crate::output::{Output, Show, note};
use crate::reason::Reason;
use crate::settings::Connection;
use crate::shown::{Shown, count};

/// Makes one call.
pub(super) struct Caller {
    connection: Connection,
    interrupt: Interrupt,
    output: Output,
}

/// What a call did. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Report {
    operation: &'static str,
    /// Accounts that it was done for.
    accounts: usize,
    attempts: u32,
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<User>>,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
struct User {
    account: String,
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Failure {
    account: String,
    #[serde(flatten)]
    reason: Reason,
    effect: &'static str,
}

impl Caller {
    pub(super) fn new(context: &Context<'_>) -> Result<Caller, CommandError> {
        let interrupt = Interrupt::install(context.output)?;
        Caller::with(context, interrupt)
    }

    pub(super) fn with(
        context: &Context<'_>,
        interrupt: Interrupt,
    ) -> Result<Caller, CommandError> {
        Ok(Caller {
            connection: context.connection()?,
            interrupt,
            output: context.output,
        })
    }

    pub(super) fn rules(&self) -> &Rules {
        self.connection.client.rules()
    }

    pub(super) fn call<R: Request>(&self, request: &R) -> Result<Exit, CommandError> {
        self.interrupt.busy_with(Busy::Calling);
        let options = CallOptions::new().cancel(self.interrupt.token());
        let called = self.connection.client.call(request, &options);
        let error = called.as_ref().err();
        let exit = error.map_or(Exit::Done, Exit::of_call);
        let is_partial = error.is_some_and(|it| matches!(it.cause(), Cause::Partial(_)));
        // of a partial success people hear account by account
        let sentence = error.filter(|_| self.output.is_json() || !is_partial);
        let reason_said = sentence.is_some();
        if let Some(error) = sentence {
            note(Shown(&error.to_string()));
        }
        let report = match called {
            Ok(outcome) => Report::of_outcome(R::OPERATION, outcome),
            Err(error) => Report::of_error(request, error),
        };
        if !self.output.is_json() {
            report.note_failures(reason_said);
        }
        self.output.show(&report)?;
        Ok(match exit {
            Exit::Done if !report.failures.is_empty() => Exit::SomeFailed,
            exit => exit,
        })
    }
}

/// As a request takes it.
pub(super) fn account_with_tags(user: &UserAndTags) -> [(&String, &Vec<String>); 1] {
    [(&user.account, &user.tags)]
}

impl Report {
    fn of_outcome(operation: Operation, outcome: Outcome) -> Report {
        // No page says whether such an account has no tags or could not be read, so it is not called done.
        let unanswered = outcome.unanswered.into_iter().map(|account| Failure {
            account,
            reason: Reason::ours("not in the answer".to_owned(), "check the account"),
            effect: Effect::NotApplied.name(),
        });
        Report {
            operation: operation.name(),
            accounts: outcome.accounts,
            attempts: outcome.attempts,
            request_id: outcome.request_id,
            users: (operation == Operation::Get).then(|| users(outcome.tags)),
            failures: unanswered.collect(),
        }
    }

    fn of_error<R: Request>(request: &R, error: Error) -> Report {
        let (attempts, effect) = (error.attempts(), error.effect());
        let request_id = error.request_id().map(str::to_owned);
        let reason = Reason::of_error(&error);
        if let Cause::Partial(partial) = error.into_cause() {
            let mut report = Report::of_outcome(R::OPERATION, partial.outcome);
            let failures = partial.failures.into_iter().map(|failure| Failure {
                reason: Reason::of_refusal(&failure.refusal),
                account: failure.account,
                effect: failure.effect.name(),
            });
            report.failures.extend(failures);
            return report;
        }
        let failures = request.accounts().map(|account| Failure {
            account: account.as_str().to_owned(),
            reason: reason.clone(),
            effect: effect.name(),
        });
        Report {
            operation: R::OPERATION.name(),
            accounts: 0,
            attempts,
            request_id,
            users: (R::OPERATION == Operation::Get).then(Vec::new),
            failures: failures.collect(),
        }
    }
}

impl Report {
    /// Names every account that failed, for people: beside the result, as all complaints. A reason that all share
    /// and that has been said is not said again.
    fn note_failures(&self, reason_said: bool) {
        for failure in &self.failures {
            let (account, effect) = (Shown(&failure.account), failure.effect);
            match reason_said {
                true => note(format_args!("{account}: {effect}")),
                false => note(format_args!("{account}: {effect}: {}", failure.reason)),
            }
        }
    }
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
            "add" => "tags added to",
            "remove" => "tags removed from",
            "clear" => "all tags removed from",
            _ => "tags read of",
        };
        if self.users.is_none() && self.accounts > 0 {
            writeln!(out, "{done} {}", count(self.accounts, "user", "users"))?;
        }
        Ok(())
    }
}
