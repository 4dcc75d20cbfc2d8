//! How long a caller waits for its answer.

use std::time::Duration;

use hyper::header::HeaderMap;

/// A caller's own limit, in seconds: `Imtag-Timeout: 2.5`. It shortens the daemon's.
const TIMEOUT: &str = "imtag-timeout";

/// How long a request may take: `usual`, or what its caller says, which is at most `most`.
pub(crate) fn timeout(
    headers: &HeaderMap,
    usual: Duration,
    most: Duration,
) -> Result<Duration, &'static str> {
    let mut all = headers.get_all(TIMEOUT).iter();
    let Some(given) = all.next() else {
        return Ok(usual);
    };
    if all.next().is_some() {
        return Err("Imtag-Timeout stands twice");
    }
    let seconds = given
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match time {
        Some(time) if !time.is_zero() => Ok(time.min(most)),
        _ => Err("Imtag-Timeout is no number of seconds above 0, such as 2.5"),
    }
}
