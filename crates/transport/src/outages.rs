//! In which outage a call waits. While a client's calls have one host there is one outage. With a spare host, a call that was
//! written to a host is bound to it (`http::hosts`), and may be left behind by the others: what it meets then says nothing
//! of them. So the calls that each host has left behind wait for it in an outage of their own.
//!
//! ```text
//!             its host is left behind by the others
//!   service ────────────────────────────────────────► that host's, which ends with an answer of the host
//!      ▲  ends with an answer to a call that others follow       │
//!      └──────────────── the host is the others' again ◄─────────┘
//! ```

use std::sync::Arc;
use std::time::Instant;

use imtag_core::retry::{RetryPolicy, Stopped};

use crate::error::Cause;
use crate::http::Http;
use crate::outage::{Outage, OutagePlace};
use crate::wait::{WaitEnd, WaitScope, now};

/// The outages of a client.
pub(crate) struct Outages {
    /// That of all calls that can go to any host.
    pub(crate) service: Outage,
    /// Of each host, if there are several, that of the calls which it has left behind.
    of_host: Vec<Outage>,
}

impl Outages {
    pub(crate) fn new<'h>(
        policy: RetryPolicy,
        hosts: impl ExactSizeIterator<Item = &'h str>,
    ) -> Outages {
        let service = Outage::new(policy);
        let of_host = match hosts.len() {
            1 => Vec::new(),
            _ => hosts.map(|host| Outage::of_host(policy, host)).collect(),
        };
        Outages { service, of_host }
    }
}

/// A call's place in one of the outages.
pub(crate) struct CallPlace<'c> {
    outages: &'c Outages,
    http: &'c Http,
    /// The host that a byte of the call was written to.
    bound: Option<usize>,
    /// It waits for that host, left behind by the others.
    is_behind: bool,
    place: OutagePlace<'c>,
    /// The last failure after which it waited.
    last_failure: Option<Arc<Cause>>,
}

impl<'c> CallPlace<'c> {
    pub(crate) fn new(outages: &'c Outages, http: &'c Http) -> CallPlace<'c> {
        CallPlace {
            outages,
            http,
            bound: None,
            is_behind: false,
            place: OutagePlace::new(&outages.service),
            last_failure: None,
        }
    }

    /// The host that all further attempts of the call must go to, if any of it was written.
    pub(crate) fn bound(&self) -> Option<usize> {
        self.bound
    }

    /// An attempt was made at a host. `sent`: a byte of the call was written to it.
    pub(crate) fn was_tried(&mut self, host: usize, sent: bool) {
        if sent && self.http.has_spare() {
            self.bound = Some(host);
        }
    }

    /// The host that it waits for, if the others have left that behind.
    fn left_behind(&self) -> Option<usize> {
        self.bound.filter(|host| self.http.leaves_behind(*host))
    }

    /// Goes to the outage that it belongs to by now. Returns whether that is another one.
    fn moves(&mut self) -> bool {
        let behind = self.left_behind();
        if behind.is_some() == self.is_behind {
            return false;
        }
        self.is_behind = behind.is_some();
        let outages = self.outages;
        let outage = behind.map_or(&outages.service, |host| &outages.of_host[host]);
        self.place = OutagePlace::new(outage); // it leaves the other
        true
    }

    /// Waits until the call may make an attempt: see [`OutagePlace::await_turn`].
    pub(crate) fn await_turn(&mut self, wait_scope: &WaitScope) -> Result<(), (WaitEnd, Stopped)> {
        loop {
            let waited = self.place.is_taken();
            if self.moves() && self.is_behind && waited {
                // those that come with it go on waiting together, rather than try all at once
                if let Some(cause) = self.last_failure.clone() {
                    self.place.failed(&cause, true, now(), wait_scope.deadline);
                }
            }
            let (is_behind, bound, http) = (self.is_behind, self.bound, self.http);
            let must_leave = || is_behind != bound.is_some_and(|host| http.leaves_behind(host));
            if self.place.await_turn(wait_scope, must_leave)? {
                return Ok(());
            }
        }
    }

    /// True if the call may make an attempt now; else it waits with the others.
    pub(crate) fn may_send(&mut self, deadline: Instant) -> bool {
        self.place.may_send(deadline)
    }

    /// An attempt failed, and the call waits. `unanswered`: no one answered it.
    pub(crate) fn failed(
        &mut self,
        cause: &Arc<Cause>,
        unanswered: bool,
        started: Instant,
        deadline: Instant,
    ) {
        self.moves();
        self.last_failure = Some(Arc::clone(cause));
        self.place.failed(cause, unanswered, started, deadline);
    }

    /// A host has answered the call: the outage of those that wait for it is over.
    pub(crate) fn answered(&self, host: usize) {
        if let Some(of_host) = self.outages.of_host.get(host) {
            of_host.answered();
        }
        if self.left_behind().is_none() {
            self.outages.service.answered();
        }
    }

    /// An attempt had no answer: see [`Outage::attempt_failed`].
    pub(crate) fn unanswered(&self, cause: &Arc<Cause>, started: Instant) {
        if self.left_behind().is_none() {
            self.outages.service.attempt_failed(cause, started);
        }
    }

    /// True if the call waits for the service, or waited for it before the attempt that it is about to make.
    pub(crate) fn is_taken(&self) -> bool {
        self.place.is_taken()
    }

    /// The last failure without an answer, of any call: for one that ends in an outage.
    pub(crate) fn last_failure(&self) -> Option<Arc<Cause>> {
        self.place.last_failure()
    }

    /// The call is over, or failed for another reason.
    pub(crate) fn leave(&mut self) {
        self.place.leave();
    }
}
