//! How the sending ended, and what follows for those who import: each end has its own advice, and none says to run the
//! same command again where that would end in the same way.

use std::borrow::Cow;

use crate::exit::Exit;
use crate::output::Reason;

/// How the sending ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AllSent,
    Interrupted,
    /// The service refuses the app, its credentials or its settings, or the endpoint is not the service.
    Refused {
        why: String,
        remedy: Cow<'static, str>,
    },
    /// The service or the network was unavailable, with the last failure.
    Unavailable(String),
    /// This machine denies what is needed.
    Denied(String),
}

impl Ended {
    /// This machine denies what is needed to end well.
    pub(crate) fn denied(&mut self, denied: &impl std::fmt::Display) {
        match self {
            Ended::AllSent | Ended::Interrupted => *self = Ended::Denied(denied.to_string()),
            // it is said already
            Ended::Denied(_) => {}
            Ended::Refused { why, .. } | Ended::Unavailable(why) => {
                *why = format!("{why}; and {denied}");
            }
        }
    }

    /// The exit code of an import that ended so; none where it depends on the users.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some(Exit::Interrupted),
            Ended::Refused { .. } => Some(Exit::Settings),
            Ended::Unavailable(_) | Ended::Denied(_) => Some(Exit::Unavailable),
        }
    }

    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some("interrupted".to_owned()),
            Ended::Refused { why, .. } | Ended::Unavailable(why) | Ended::Denied(why) => {
                Some(why.clone())
            }
        }
    }

    /// Why a user who was not sent was not, and what to do.
    pub(crate) fn not_sent(&self) -> Reason {
        let (reason, remedy) = match self {
            Ended::AllSent => ("not sent", "run the same command again".into()),
            Ended::Interrupted => ("not sent: interrupted", "run the same command again".into()),
            Ended::Refused { remedy, .. } => (
                "not sent: the service refused what was sent before",
                remedy.clone(),
            ),
            Ended::Unavailable(_) => (
                "not sent: the service or the network was unavailable",
                "run the same command again when it is back".into(),
            ),
            Ended::Denied(_) => (
                "not sent: this machine denied what the import needs",
                "see to that, and run the same command again".into(),
            ),
        };
        Reason::ours(reason.to_owned(), remedy)
    }

    /// What to do about those who are left. `journal` is the one that is left behind, where one is.
    pub(crate) fn advice(&self, journal: Option<&str>) -> String {
        let goes_on = match journal {
            Some(journal) => format!(": it goes on by {journal}"),
            None => String::new(),
        };
        match self {
            Ended::AllSent | Ended::Interrupted => {
                format!("run the same command again{goes_on}")
            }
            Ended::Unavailable(_) => {
                format!("run the same command again when the service is back{goes_on}")
            }
            Ended::Denied(_) => {
                format!("when that is seen to, run the same command again{goes_on}")
            }
            Ended::Refused { remedy, .. } => match journal {
                None => format!("first: {remedy}; then import the file"),
                Some(journal) => format!(
                    "first: {remedy}; then import the file: it goes on by {journal}, and where SDKAppID, endpoint or \
                     generation change, delete that first"
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_that_the_same_command_overcomes_advises_it() {
        let refused = Ended::Refused {
            why: "60026".to_owned(),
            remedy: "choose the right region".into(),
        };
        let why = || "why".to_owned();
        for (ended, advice) in [
            (Ended::Interrupted, "run the same command again"),
            (
                Ended::Unavailable(why()),
                "run the same command again when the service is back",
            ),
            (
                Ended::Denied(why()),
                "when that is seen to, run the same command again",
            ),
            (
                refused,
                "first: choose the right region; then import the file",
            ),
        ] {
            assert_eq!(ended.advice(None), advice);
            let left = ended.advice(Some("a.journal"));
            assert!(
                left.starts_with(&format!("{advice}: it goes on by a.journal")),
                "{left}"
            );
        }
    }
}
