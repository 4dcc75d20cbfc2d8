//! When a session that pauses goes on, and what an operator reads of it meanwhile.

use std::time::{Duration, Instant, SystemTime};

use imtag_transport::RunError;

use crate::status::{Pause, PauseReason};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The pauses of a session since the service was last there.
#[derive(Debug, Default)]
pub(super) struct Health {
    pauses: u32,
    since: Option<SystemTime>,
    resume_at: Option<Instant>,
}

impl Health {
    /// The session pauses. Returns what is shown, if that is news.
    pub(super) fn pauses(&mut self, why: &RunError, now: Instant) -> Option<Pause> {
        if self.resume_at.is_some() {
            return None;
        }
        let (reason, wait) = match why {
            RunError::Refused(_) => (PauseReason::App, LONGEST_WAIT),
            _ => (
                PauseReason::Service,
                FIRST_WAIT.saturating_mul(1 << self.pauses.min(10)),
            ),
        };
        self.pauses += 1;
        self.resume_at = Some(now + wait.min(LONGEST_WAIT));
        Some(Pause {
            reason,
            text: why.to_string(),
            since: *self.since.get_or_insert_with(SystemTime::now),
        })
    }

    /// When it is tried again.
    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    pub(super) fn resumed(&mut self) {
        self.resume_at = None;
    }

    /// The service has answered. Returns true if there were pauses since it last had.
    pub(super) fn answered(&mut self) -> bool {
        let paused = self.pauses > 0;
        *self = Health::default();
        paused
    }
}
