//! What a call tells of its attempts and of the answers to them.

use std::time::Instant;

use imtag_core::retry::Failure;
use imtag_core::{Effect, RetryClass, Scope};

use super::Call;
use crate::error::Cause;
use crate::event::{event, millis};

impl Call<'_> {
    /// Notes whether an answer refuses the app itself, and says so once.
    pub(super) fn note_answer(&self, failure: Option<Failure>) {
        let code = match failure {
            Some(Failure::Refused(code)) if code.scope() == Scope::App => Some(code),
            _ => None,
        };
        if !self.counted().answered(code) {
            return;
        }
        let operation = self.request.operation().name();
        match code {
            Some(code) => event!(
                warn,
                operation,
                code = code.0,
                host = self.host(),
                "app refused"
            ),
            None => event!(info, operation, host = self.host(), "app accepted"),
        }
    }

    /// Says how an attempt ended that was `started` then, and if it failed why, and with which effect.
    pub(super) fn attempt_ended(
        &self,
        started: Instant,
        sent: bool,
        request_id: Option<&str>,
        failed: Option<(&Cause, Effect)>,
    ) {
        let operation = self.request.operation();
        let code = failed.and_then(|(cause, _)| Some(cause.refusal()?.code));
        event!(
            debug,
            operation = operation.name(),
            route = self.route(),
            users = self.request.accounts().len(),
            attempt = self.attempts,
            duration_ms = millis(started.elapsed()),
            sent,
            cause = failed.map(|(cause, _)| cause.name()),
            when = failed.and_then(|(cause, _)| cause.when()),
            detail = failed.and_then(|(cause, _)| cause.detail()),
            code = code.map(|code| code.0),
            effect = failed.map(|(_, effect)| effect.for_operation(operation).name()),
            host = self.host(),
            request_id,
            "attempt ended"
        );
        if code.is_some_and(|code| code.retry() == RetryClass::AfterWindow) {
            event!(
                warn,
                operation = operation.name(),
                code = code.map(|code| code.0),
                host = self.host(),
                "rejected as too frequent"
            );
        }
    }
}
