//! What a request of this door asks for, by its method, path and query.

use std::fmt::Display;
use std::time::Duration;

use hyper::{Method, StatusCode};
use imtag_queue::{ChangeId, Filter, PostId};
use imtag_wire::Query;

use super::answers::Problem;

/// Failures of one answer, if no number is given, and at most.
const FAILURES_AT_MOST: usize = 10_000;

/// What the access may be given by, in a URL.
const CREDENTIALS: [&str; 5] = ["sdkappid", "identifier", "usersig", "random", "contenttype"];

/// A path that is there, with one of its methods.
pub(super) enum Target {
    Post,
    Purge,
    /// With what stands behind the path.
    Change(String),
    Failures,
    DeleteFailures,
    Pause,
    Resume,
}

/// A request that can be answered.
#[derive(Debug)]
pub(super) enum Asked {
    Post(Wait),
    Purge(Filter),
    Change(ChangeId),
    PostStates(PostId),
    Failures {
        after: Option<ChangeId>,
        limit: usize,
    },
    /// Of those that the body names.
    DeleteFailures,
    Pause,
    Resume,
}

/// What a post waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// That it is on the disk.
    Durable,
    /// That it is applied, or fails.
    Outcome,
}

impl Target {
    pub(super) fn new(method: &Method, path: &str) -> Result<Target, Problem> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let (target, allowed) = match path {
            "/v1/changes" => {
                let target = match *method {
                    Method::POST => Some(Target::Post),
                    Method::DELETE => Some(Target::Purge),
                    _ => None,
                };
                (target, "POST, DELETE")
            }
            "/v1/failures" => {
                let target = match *method {
                    Method::DELETE => Some(Target::DeleteFailures),
                    _ => is_read.then_some(Target::Failures),
                };
                (target, "GET, HEAD, DELETE")
            }
            "/v1/pause" => ((*method == Method::POST).then_some(Target::Pause), "POST"),
            "/v1/resume" => ((*method == Method::POST).then_some(Target::Resume), "POST"),
            _ => match path.strip_prefix("/v1/changes/") {
                Some(id) if !id.contains('/') => {
                    let target = is_read.then(|| Target::Change(id.to_owned()));
                    (target, "GET, HEAD")
                }
                _ => return Err(Problem::no_path()),
            },
        };
        target.ok_or_else(|| Problem::method(allowed))
    }

    /// As logs and figures have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Target::Post => "post_changes",
            Target::Purge => "delete_changes",
            Target::Change(_) => "get_change",
            Target::Failures => "get_failures",
            Target::DeleteFailures => "delete_failures",
            Target::Pause => "pause",
            Target::Resume => "resume",
        }
    }

    /// With what the query says.
    pub(super) fn asked(self, query: Option<&Query>) -> Result<Asked, Problem> {
        let known: &[&str] = match self {
            Target::Post => &["wait"],
            Target::Purge => &["account", "tag", "older_than"],
            Target::Failures => &["after", "limit"],
            _ => &[],
        };
        refuse_unknown(query, known)?;
        let value = |name| value(query, name);
        Ok(match self {
            Target::Post => Asked::Post(match value("wait")? {
                None | Some("durable") => Wait::Durable,
                Some("outcome") => Wait::Outcome,
                Some(_) => return Err(bad("wait", "is durable or outcome")),
            }),
            Target::Purge => Asked::Purge(filter(
                value("account")?,
                value("tag")?,
                value("older_than")?,
            )?),
            Target::Change(id) => id_of_either(&id)?,
            Target::Failures => Asked::Failures {
                after: value("after")?.map(|id| parsed("after", id)).transpose()?,
                limit: value("limit")?.map_or(Ok(FAILURES_AT_MOST), limit)?,
            },
            Target::DeleteFailures => Asked::DeleteFailures,
            Target::Pause => Asked::Pause,
            Target::Resume => Asked::Resume,
        })
    }
}

fn refuse_unknown(query: Option<&Query>, known: &[&str]) -> Result<(), Problem> {
    let names = query.map(Query::redacted).unwrap_or_default();
    let unknown = names
        .iter()
        .map(|(name, _)| name.as_str())
        .find(|name| !known.contains(name) && !CREDENTIALS.contains(name));
    let Some(name) = unknown else {
        return Ok(());
    };
    let there = match known {
        [] => "there is none".to_owned(),
        known => format!("there is {}", known.join(", ")),
    };
    let name = imtag_rows::start_of_line(name);
    let why = format!("{name:?} is no parameter of this path: {there}");
    Err(Problem::new(StatusCode::BAD_REQUEST, why))
}

fn value<'q>(query: Option<&'q Query>, name: &'static str) -> Result<Option<&'q str>, Problem> {
    let value = query.map(|query| query.one(name)).transpose();
    value
        .map(Option::flatten)
        .map_err(|_| bad(name, "is in the URL more than once: give it once"))
}

fn bad(name: &str, why: impl Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {why}"))
}

fn parsed(name: &str, id: &str) -> Result<ChangeId, Problem> {
    let id = id.parse();
    id.map_err(|_| bad(name, "is the id of a change, such as 12-0"))
}

/// A change's id has a dash, and a post's has none.
fn id_of_either(id: &str) -> Result<Asked, Problem> {
    if let Ok(change) = id.parse() {
        return Ok(Asked::Change(change));
    }
    let id = id.parse();
    id.map(Asked::PostStates).map_err(|_| {
        bad(
            "the path's end",
            "is the id of a change, such as 12-0, or of a post, such as 12",
        )
    })
}

fn limit(number: &str) -> Result<usize, Problem> {
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| is_plain);
    number
        .filter(|it| (1..=FAILURES_AT_MOST).contains(it))
        .ok_or_else(|| {
            bad(
                "limit",
                format_args!("is a number from 1 to {FAILURES_AT_MOST}"),
            )
        })
}

fn filter(
    account: Option<&str>,
    tag: Option<&str>,
    older_than: Option<&str>,
) -> Result<Filter, Problem> {
    if account.is_none() && tag.is_none() && older_than.is_none() {
        let why = "nothing says which changes: give account, tag or older_than (in seconds), or several of them";
        return Err(Problem::new(StatusCode::BAD_REQUEST, why));
    }
    for (name, value) in [("account", account), ("tag", tag)] {
        if value == Some("") {
            return Err(bad(name, "is empty: fill it, or leave it out"));
        }
    }
    let seconds = |text: &str| {
        let seconds = text.parse().ok();
        let time = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
        time.ok_or_else(|| bad("older_than", "is a number of seconds, such as 3600"))
    };
    let mut filter = Filter::default();
    filter.account = account.map(str::to_owned);
    filter.tag = tag.map(str::to_owned);
    filter.older_than = older_than.map(seconds).transpose()?;
    Ok(filter)
}
