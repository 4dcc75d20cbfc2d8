//! Faults on demand: what can go wrong with one request, as data.
//!
//! Each request that arrives takes the next fault off the queue of its path or route. A fault is a kind, whether the request has
//! its effect first, and two delays that go with every kind: before the request is handled, and before the answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use imtag_core::Operation;

use crate::apply::LeftOut;
use crate::refusal::Refusal;
use crate::route::{Place, Route, Target};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(crate) kind: Kind,
    pub(crate) after_effect: bool,
    pub(crate) delay: Duration,
    pub(crate) answer_delay: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but the delays.
    Delay,
    Code(Refusal),
    LeaveOut(LeftOut),
    Status {
        status: u16,
        body: Option<String>,
        location: Option<String>,
    },
    Cut,
    Garbage {
        body: Option<String>,
    },
    /// HTTP 200 with this as JSON.
    Answer {
        body: Vec<u8>,
    },
    Truncated,
    Drip {
        interval: Duration,
    },
}

impl Fault {
    fn new(kind: Kind) -> Fault {
        Fault {
            kind,
            after_effect: false,
            delay: Duration::ZERO,
            answer_delay: Duration::ZERO,
        }
    }

    /// The request is handled as usual, but only after `delay`: its effect comes late, and comes even where the
    /// caller has long hung up.
    #[must_use]
    pub fn delay(delay: Duration) -> Fault {
        Fault::new(Kind::Delay).delayed(delay)
    }

    /// FAIL with this code, and with the catalogue's text; see [`text`](Fault::text).
    #[must_use]
    pub fn code(code: i32) -> Fault {
        Fault::new(Kind::Code(Refusal::plain(code)))
    }

    /// These accounts are not changed, and are named in `ErrorList` with this code beside an OK; works on every route.
    #[must_use]
    pub fn leave_out<A: Into<String>>(accounts: impl IntoIterator<Item = A>, code: i32) -> Fault {
        Fault::new(Kind::LeaveOut(LeftOut {
            accounts: accounts.into_iter().map(Into::into).collect(),
            refusal: Some(Refusal::plain(code)),
        }))
    }

    /// An HTTP status with a page of HTML, as a gateway answers; see [`body`](Fault::body).
    #[must_use]
    pub fn status(status: u16) -> Fault {
        Fault::new(Kind::Status {
            status,
            body: None,
            location: None,
        })
    }

    /// Status 302, to this location.
    #[must_use]
    pub fn redirect(location: impl Into<String>) -> Fault {
        Fault::new(Kind::Status {
            status: 302,
            body: None,
            location: Some(location.into()),
        })
    }

    /// The connection is closed without an answer, and nothing is changed.
    #[must_use]
    pub fn cut_before() -> Fault {
        Fault::new(Kind::Cut)
    }

    /// The request has its effect, then the connection is closed without an answer.
    #[must_use]
    pub fn cut_after() -> Fault {
        Fault::new(Kind::Cut).after_effect()
    }

    /// HTTP 200 with something that is not JSON: a page of HTML; see [`body`](Fault::body).
    #[must_use]
    pub fn garbage() -> Fault {
        Fault::new(Kind::Garbage { body: None })
    }

    /// HTTP 200 with this body, said to be JSON: an answer of your own, right or wrong.
    #[must_use]
    pub fn answer(body: impl Into<Vec<u8>>) -> Fault {
        Fault::new(Kind::Answer { body: body.into() })
    }

    /// Half an answer, then the connection is closed.
    #[must_use]
    pub fn truncated() -> Fault {
        Fault::new(Kind::Truncated)
    }

    /// The request is handled as usual, but its answer comes a byte at a time, head and all, with this long between.
    #[must_use]
    pub fn drip(interval: Duration) -> Fault {
        Fault::new(Kind::Drip { interval })
    }

    /// The request has its effect first. [`delay`](Fault::delay), [`leave_out`](Fault::leave_out) and
    /// [`drip`](Fault::drip) have theirs anyhow.
    #[must_use]
    pub fn after_effect(mut self) -> Fault {
        self.after_effect = true;
        self
    }

    /// The request waits so long before it is handled; goes with every kind.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Fault {
        self.delay = delay;
        self
    }

    /// What is answered waits so long after the request was handled; goes with every kind.
    #[must_use]
    pub fn answer_delayed(mut self, delay: Duration) -> Fault {
        self.answer_delay = delay;
        self
    }

    /// The text beside the code of [`code`](Fault::code) or [`leave_out`](Fault::leave_out); no other kind has one.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Fault {
        match &mut self.kind {
            Kind::Code(refusal) => refusal.text = text.into(),
            Kind::LeaveOut(LeftOut {
                refusal: Some(refusal),
                ..
            }) => refusal.text = text.into(),
            _ => {}
        }
        self
    }

    /// The body of [`status`](Fault::status) or [`garbage`](Fault::garbage); no other kind has one. It is ignored
    /// with the statuses that HTTP gives no body: 204, 304 and those below 200.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Fault {
        match &mut self.kind {
            Kind::Status { status, body, .. } if has_body(*status) => *body = Some(text.into()),
            Kind::Garbage { body } => *body = Some(text.into()),
            _ => {}
        }
        self
    }

    /// The kind, as the admin API names it.
    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Delay => "delay",
            Kind::Code(_) => "code",
            Kind::LeaveOut(_) => "leave_out",
            Kind::Status { .. } => "status",
            Kind::Cut if self.after_effect => "cut_after",
            Kind::Cut => "cut_before",
            Kind::Garbage { .. } => "garbage",
            Kind::Answer { .. } => "answer",
            Kind::Truncated => "truncated",
            Kind::Drip { .. } => "drip",
        }
    }

    /// Whether the request is handled at all.
    pub(crate) fn lets_pass(&self) -> bool {
        let always = matches!(
            self.kind,
            Kind::Delay | Kind::LeaveOut(_) | Kind::Drip { .. }
        );
        always || self.after_effect
    }

    /// Whether it is about what a request does to tags.
    pub(crate) fn needs_tags(&self) -> bool {
        self.after_effect || matches!(self.kind, Kind::LeaveOut(_))
    }

    /// The accounts that are left out.
    pub(crate) fn left_out(&self) -> LeftOut {
        match &self.kind {
            Kind::LeaveOut(left_out) => left_out.clone(),
            _ => LeftOut::default(),
        }
    }
}

/// Whether an answer with this status has a body, as HTTP has it.
pub(crate) fn has_body(status: u16) -> bool {
    status >= 200 && !matches!(status, 204 | 304)
}

/// The queues: one for each route, one for each operation, and those of paths.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    routes: [VecDeque<Fault>; Route::COUNT],
    operations: [VecDeque<Fault>; Operation::ALL.len()],
    paths: BTreeMap<String, VecDeque<Fault>>,
}

impl Queues {
    pub(crate) fn put(&mut self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        let queue = match target {
            Target::Route(route) => &mut self.routes[route.index()],
            Target::Operation(operation) => &mut self.operations[operation as usize],
            Target::Path(path) => self.paths.entry(path).or_default(),
        };
        queue.extend(faults);
    }

    /// The next fault for a request there: of its path's queue, or else its route's, or else its operation's.
    pub(crate) fn take(&mut self, place: Place<'_>) -> Option<Fault> {
        let of_path = self.paths.get_mut(place.path);
        of_path.and_then(VecDeque::pop_front).or_else(|| {
            let route = place.route?;
            self.routes[route.index()]
                .pop_front()
                .or_else(|| self.operations[route.operation as usize].pop_front())
        })
    }

    /// How many wait for a request.
    pub(crate) fn len(&self) -> usize {
        let queues = self
            .routes
            .iter()
            .chain(&self.operations)
            .chain(self.paths.values());
        queues.map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use imtag_core::Generation::{AllMemberPush, Timpush};

    use super::*;

    #[test]
    fn faults_come_in_order_from_the_queue_of_the_path_then_the_route_then_the_operation() {
        let mut queues = Queues::default();
        let code = |code| Fault::code(code);
        let (older, newer) = (
            Route::new(Operation::Add, AllMemberPush),
            Route::new(Operation::Add, Timpush),
        );
        let place = |route: Route| Place {
            route: Some(route),
            path: route.path(),
        };
        queues.put(Operation::Add.into(), [code(1), code(2)]);
        queues.put(older.into(), [code(3), code(4)]);
        queues.put(Target::path(newer.path()), [code(5)]);
        assert_eq!(queues.len(), 5);
        assert_eq!(queues.take(place(older)), Some(code(3)));
        assert_eq!(queues.take(place(newer)), Some(code(5)));
        assert_eq!(queues.take(place(newer)), Some(code(1)));
        assert_eq!(queues.take(place(older)), Some(code(4)));
        assert_eq!(queues.take(place(older)), Some(code(2)));
        assert_eq!(queues.take(place(older)), None);
        let other = Route::new(Operation::Get, AllMemberPush);
        assert_eq!(queues.take(place(other)), None);
    }
}
