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

    /// The client is in an outage, and the session does not pause yet. Returns what is shown, if that is news.
    pub(super) fn outage_begins(&mut self) -> Option<Pause> {
        if self.since.is_some() {
            return None;
        }
        Some(Pause {
            reason: PauseReason::Service,
            text: "the service gives no answers; requests wait for it, and are tried again"
                .to_owned(),
            since: *self.since.insert(SystemTime::now()),
        })
    }

    /// The client is in none. Returns true if one was shown, and the session has not paused since.
    pub(super) fn outage_is_over(&mut self) -> bool {
        self.pauses == 0 && self.since.take().is_some()
    }

    /// When it is tried again.
    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    pub(super) fn resumed(&mut self) {
        self.resume_at = None;
    }

    /// The service has answered. Returns true if there were pauses since it last had, or an outage was shown.
    pub(super) fn answered(&mut self) -> bool {
        let paused = self.since.is_some();
        *self = Health::default();
        paused
    }
}

#[cfg(test)]
mod tests {
    use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
    use imtag_transport::{AddTags, Client, Error, RetryPolicy};

    use super::*;

    /// What a call ends with that the service answers so.
    fn failure(fault: Fault) -> Error {
        let emulator = Emulator::builder().start().unwrap();
        emulator.add_standing(ProbabilisticFault::new(fault, 1.0).unwrap());
        let key = emulator.secret_key().clone();
        let client = Client::builder(emulator.sdkappid().get(), emulator.identifier(), key);
        let once = RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        };
        let client = client.endpoint(emulator.endpoint()).retry(once);
        let request = AddTags::new([("bob", ["vip"])]).unwrap();
        client.build().unwrap().add_tag(&request).unwrap_err()
    }

    /// The seconds between the attempts of an hour in which none is answered, and what is shown at its end.
    fn an_hour(health: &mut Health, why: &RunError) -> (Vec<u64>, Pause) {
        let begun = Instant::now();
        let (mut now, mut waits) = (begun, Vec::new());
        loop {
            let pause = health.pauses(why, now).expect("each attempt is news");
            // who looks again before the next one learns nothing new
            assert!(health.pauses(why, now).is_none());
            let at = health.resume_at().expect("it is tried again");
            waits.push((at - now).as_secs());
            now = at;
            if now - begun >= Duration::from_secs(3_600) {
                return (waits, pause);
            }
            health.resumed();
        }
    }

    #[test]
    fn in_an_outage_of_an_hour_it_is_tried_ever_more_rarely_each_minute_at_last() {
        let mut health = Health::default();
        let why = RunError::Unavailable(failure(Fault::status(502)));
        let (waits, last) = an_hour(&mut health, &why);
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits.len(), 6 + 59);
        assert!(waits[6..].iter().all(|wait| *wait == 60));
        assert_eq!(last.reason, PauseReason::Service);
        assert!(last.text.contains("502"), "{}", last.text);
        health.resumed();
        assert!(health.answered(), "it was away");
        assert!(!health.answered());
        // the next outage begins anew
        let first = health.pauses(&why, Instant::now()).unwrap();
        assert!(first.since >= last.since);
        let left = health.resume_at().unwrap() - Instant::now();
        assert!(left <= FIRST_WAIT);
    }

    #[test]
    fn an_app_that_is_refused_is_tried_each_minute() {
        let mut health = Health::default();
        let why = RunError::Refused(failure(Fault::code(60_020)));
        let (waits, last) = an_hour(&mut health, &why);
        assert_eq!(waits, [60; 60]);
        assert_eq!(last.reason, PauseReason::App);
        assert!(last.text.contains("renew the plan"), "{}", last.text);
    }
}
