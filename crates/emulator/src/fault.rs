//! A fault, as data: what goes wrong with one request.
//!
//! It is a kind, whether the request has its effect first, and two delays that go with every kind:
//!
//! ```text
//! arrives ── delay ── handled, if the fault allows it ── answer_delay ── what the kind sends
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::header::HeaderValue;
use imtag_wire::Refusal;
use serde::{Deserialize, Serialize};

use crate::apply::LeftOut;

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(rename = "delay_ms", with = "ms", default)]
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub(crate) delay: Duration,
    #[serde(rename = "answer_delay_ms", with = "ms", default)]
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub(crate) answer_delay: Duration,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    after_effect: bool,
    #[serde(flatten)]
    pub(crate) kind: Kind,
}

/// What is sent, with the fields that an order of the fault has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Kind {
    /// Nothing but the delays.
    Delay {},
    Code {
        code: i32,
        /// That of the catalogue if there is none.
        text: Option<String>,
    },
    LeaveOut {
        accounts: BTreeSet<String>,
        code: i32,
        text: Option<String>,
    },
    Status {
        #[serde(default = "bad_gateway")]
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    CutBefore {},
    CutAfter {},
    Garbage {
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// HTTP 200 with this as JSON.
    Answer {
        #[serde(with = "text")]
        body: Vec<u8>,
    },
    Truncated {},
    Drip {
        #[serde(rename = "interval_ms", with = "ms")]
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
        Fault::new(Kind::Delay {}).delayed(delay)
    }

    /// FAIL with this code, and with the catalogue's text; see [`text`](Fault::text).
    #[must_use]
    pub fn code(code: i32) -> Fault {
        Fault::new(Kind::Code { code, text: None }).with_text()
    }

    /// These accounts are not changed, and are named in `ErrorList` with this code beside an OK; works on every route.
    #[must_use]
    pub fn leave_out<A: Into<String>>(accounts: impl IntoIterator<Item = A>, code: i32) -> Fault {
        let kind = Kind::LeaveOut {
            accounts: accounts.into_iter().map(Into::into).collect(),
            code,
            text: None,
        };
        Fault::new(kind).with_text()
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
        Fault::new(Kind::CutBefore {})
    }

    /// The request has its effect, then the connection is closed without an answer.
    #[must_use]
    pub fn cut_after() -> Fault {
        Fault::new(Kind::CutAfter {})
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
        Fault::new(Kind::Truncated {})
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
        if self.kind == (Kind::CutBefore {}) {
            self.kind = Kind::CutAfter {};
        } else {
            self.after_effect = self.kind.can_be_after_effect();
        }
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
    pub fn text(mut self, new: impl Into<String>) -> Fault {
        if let Kind::Code { text, .. } | Kind::LeaveOut { text, .. } = &mut self.kind {
            *text = Some(new.into());
        }
        self
    }

    /// With the catalogue's text where a code has none.
    pub(crate) fn with_text(mut self) -> Fault {
        if let Kind::Code { code, text } | Kind::LeaveOut { code, text, .. } = &mut self.kind {
            text.get_or_insert_with(|| Refusal::plain(*code).text);
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

    /// Whether the request is handled at all.
    pub(crate) fn lets_pass(&self) -> bool {
        let always = matches!(
            self.kind,
            Kind::Delay {} | Kind::LeaveOut { .. } | Kind::CutAfter {} | Kind::Drip { .. }
        );
        always || self.after_effect
    }

    /// Whether it concerns what a request does to tags.
    pub(crate) fn needs_tags(&self) -> bool {
        self.after_effect || matches!(self.kind, Kind::LeaveOut { .. } | Kind::CutAfter {})
    }

    pub(crate) fn left_out(&self) -> Option<LeftOut<'_>> {
        match &self.kind {
            Kind::LeaveOut {
                accounts,
                code,
                text,
            } => Some((
                accounts,
                Refusal::new(*code, text.clone().unwrap_or_default()),
            )),
            _ => None,
        }
    }

    /// Why no request can have this fault, although its fields are those of its kind.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.after_effect && !self.kind.can_be_after_effect() {
            return Some(format!(
                "after_effect does not belong to {}",
                self.kind.name()
            ));
        }
        let Kind::Status {
            status,
            body,
            location,
        } = &self.kind
        else {
            return None;
        };
        let fits = |location: &String| HeaderValue::from_str(location).is_ok();
        if !(200..=599).contains(status) {
            Some(format!("status {status} is not from 200 to 599"))
        } else if !location.as_ref().is_none_or(fits) {
            Some("location holds what no header can".to_owned())
        } else if body.is_some() && !has_body(*status) {
            Some(format!("body does not belong to status {status}"))
        } else {
            None
        }
    }
}

impl Kind {
    /// As the admin API has it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Delay {} => "delay",
            Kind::Code { .. } => "code",
            Kind::LeaveOut { .. } => "leave_out",
            Kind::Status { .. } => "status",
            Kind::CutBefore {} => "cut_before",
            Kind::CutAfter {} => "cut_after",
            Kind::Garbage { .. } => "garbage",
            Kind::Answer { .. } => "answer",
            Kind::Truncated {} => "truncated",
            Kind::Drip { .. } => "drip",
        }
    }

    /// Whether it can come without the effect and after it.
    fn can_be_after_effect(&self) -> bool {
        matches!(
            self,
            Kind::Code { .. }
                | Kind::Status { .. }
                | Kind::Garbage { .. }
                | Kind::Answer { .. }
                | Kind::Truncated {}
        )
    }
}

/// Whether an answer with this status has a body, as HTTP has it.
pub(crate) fn has_body(status: u16) -> bool {
    status >= 200 && !matches!(status, 204 | 304)
}

fn bad_gateway() -> u16 {
    502
}

/// A time as whole milliseconds.
mod ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(from)?))
    }
}

/// Bytes as a text, which they are unless a program made them.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(String::deserialize(from)?.into_bytes())
    }
}
