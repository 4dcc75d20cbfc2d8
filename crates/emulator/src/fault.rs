//! A fault, as data: what goes wrong with one request.
//!
//! It is a kind, whether the request has its effect first, and two delays that go with every kind:
//!
//! ```text
//! arrives ── delay ── handled, if the fault allows it ── answer_delay ── what the kind sends
//! ```

use std::time::Duration;

use crate::answer::Refusal;
use crate::apply::LeftOut;

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

    /// The request is handled as usual, but only after `delay`: its effect comes late, even if the caller has hung up
    /// by then.
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
            refusal: Refusal::plain(code),
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
    /// [`drip`](Fault::drip) have theirs in any case.
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
            Kind::Code(refusal) | Kind::LeaveOut(LeftOut { refusal, .. }) => {
                refusal.text = text.into();
            }
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

    /// Whether it concerns what a request does to tags.
    pub(crate) fn needs_tags(&self) -> bool {
        self.after_effect || matches!(self.kind, Kind::LeaveOut(_))
    }

    pub(crate) fn left_out(&self) -> Option<&LeftOut> {
        match &self.kind {
            Kind::LeaveOut(left_out) => Some(left_out),
            _ => None,
        }
    }
}

/// Whether an answer with this status has a body, as HTTP has it.
pub(crate) fn has_body(status: u16) -> bool {
    status >= 200 && !matches!(status, 204 | 304)
}
