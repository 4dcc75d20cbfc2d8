//! What an answer means for its call, and for the quota.

use imtag_core::quota::Verdict as QuotaVerdict;
use imtag_core::{Answer, Request, RetryClass, Verdict};

use super::Call;
use crate::Outcome;
use crate::cause::{Cause, Failure, Partial};
use crate::credentials::VersionedUserSig;
use crate::http::Exchanged;
use crate::rate_limiter::Permit;

impl<R: Request> Call<'_, R> {
    /// Reads the answer, and hands the permit back with the result.
    pub(super) fn judge(
        &self,
        exchanged: Exchanged,
        permit: Permit<'_>,
        usersig: &VersionedUserSig,
    ) -> Result<Outcome, Cause> {
        let (answered, sent) = (exchanged.answered, exchanged.sent);
        let read = exchanged.read(self.request);
        let mut judged = read.and_then(|answer| self.outcome(answer));
        match &judged {
            Err(cause) if cause.retry_class() == RetryClass::AfterWindow => {
                permit.answered(QuotaVerdict::TooFrequent);
            }
            _ if answered => permit.answered(QuotaVerdict::Served),
            _ if sent => permit.abandoned(),
            _ => permit.withdrew(),
        }
        match &mut judged {
            Ok(outcome) => outcome.redact(&usersig.usersig),
            Err(cause) => cause.redact(&usersig.usersig),
        }
        judged
    }

    fn outcome(&self, answer: Answer) -> Result<Outcome, Cause> {
        let request_id = answer.request_id;
        let (left_out, tags, unanswered) = match answer.verdict {
            Verdict::Refused(refusal) => {
                return Err(Cause::Service {
                    refusal,
                    request_id,
                });
            }
            Verdict::Done {
                left_out,
                tags,
                unanswered,
            } => (left_out, tags, unanswered),
        };
        let outcome = Outcome {
            accounts: self.request.accounts().count() - left_out.len() - unanswered.len(),
            attempts: self.attempts,
            sent: self.sent,
            request_id,
            tags,
            unanswered,
        };
        if left_out.is_empty() {
            return Ok(outcome);
        }
        let failures = left_out.into_iter().map(|left_out| Failure {
            account: left_out.account,
            refusal: left_out.refusal,
            effect: self.effect.for_operation(R::OPERATION),
        });
        Err(Cause::Partial(Box::new(Partial {
            outcome,
            failures: failures.collect(),
        })))
    }
}
