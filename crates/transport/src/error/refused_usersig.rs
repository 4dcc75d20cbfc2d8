//! Why the service may have refused a UserSig. Its answer has only a code; this machine also knows where the UserSig comes
//! from, and how its clock differs from the server's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::{Code, UserSigFault};

/// The message names clocks that differ by more than this.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Where a UserSig comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserSigSource {
    /// It is made here.
    Key {
        /// It has 64 hexadecimal characters, as all keys do.
        usual: bool,
    },
    /// It was given.
    Ready,
    /// The host's callback makes it.
    Callback,
}

/// A possible reason for the refusal, for the message; and what to do: the catalogue's remedy where it fits these
/// credentials. `date` is the answer's `Date` line, since the Unix epoch.
pub(crate) fn explain(
    code: Code,
    source: UserSigSource,
    now: SystemTime,
    date: Option<Duration>,
) -> (Option<String>, &'static str) {
    let Some(fault) = code.usersig_fault() else {
        return (None, code.remedy());
    };
    let remedy = match (fault, source) {
        (UserSigFault::Expired, UserSigSource::Key { .. }) => {
            "set this machine's clock: the UserSig was made just before, valid for a week"
        }
        (UserSigFault::Expired, UserSigSource::Ready) => {
            "pass a new UserSig, valid for 24 hours or more"
        }
        (UserSigFault::Expired, UserSigSource::Callback) => {
            "let the callback make a new UserSig, valid for 24 hours or more, with a right clock"
        }
        (UserSigFault::WrongParts, UserSigSource::Key { .. }) => {
            "check SDKAppID, identifier and secret key: the UserSig was made of these"
        }
        (UserSigFault::WrongKey, UserSigSource::Ready | UserSigSource::Callback) => {
            "make the UserSig with the secret key of this very app"
        }
        _ => code.remedy(),
    };
    let UserSigSource::Key { usual } = source else {
        return (None, remedy);
    };
    let unusual = (!usual && fault == UserSigFault::WrongKey)
        .then(|| "the secret key is not of the usual form, 64 hexadecimal characters".to_owned());
    let hint = clocks(now, date, fault == UserSigFault::Expired).or(unusual);
    (hint, remedy)
}

/// This machine's clock, and the server's if it differs.
fn clocks(now: SystemTime, date: Option<Duration>, always: bool) -> Option<String> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ours = format!("this machine's clock says {}", utc(now));
    match date {
        Some(date) if now.abs_diff(date) > CLOCKS_APART => {
            Some(format!("{ours}, the server's {}", utc(date)))
        }
        _ => always.then(|| format!("{ours}: is it right?")),
    }
}

/// `2026-11-29 10:58:03 UTC`.
fn utc(since_epoch: Duration) -> String {
    let [date, time] = date_and_time(since_epoch);
    format!("{date} {time} UTC")
}

/// A time of UTC: `2026-11-29` and `10:58:03`.
#[must_use]
pub fn date_and_time(since_epoch: Duration) -> [String; 2] {
    let seconds = since_epoch.as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // days of years that begin in March, so that the leap day is a year's last
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    [
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: UserSigSource = UserSigSource::Key { usual: true };

    fn explained(code: i32, source: UserSigSource, date: &str) -> (Option<String>, &'static str) {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_949_883);
        let date = httpdate::parse_http_date(date).ok();
        let date = date.map(|date| date.duration_since(UNIX_EPOCH).unwrap());
        explain(Code(code), source, now, date)
    }

    fn hint(code: i32, source: UserSigSource, date: &str) -> Option<String> {
        explained(code, source, date).0
    }

    #[test]
    fn an_own_usersig_that_expires_at_once_points_at_the_clock() {
        let asks = "this machine's clock says 2026-11-29 10:58:03 UTC: is it right?";
        for date in ["", "Sun, 29 Nov 2026 10:58:59 GMT", "yesterday"] {
            assert_eq!(hint(70001, KEY, date).as_deref(), Some(asks));
        }
        let differs = "this machine's clock says 2026-11-29 10:58:03 UTC, the server's 2027-01-01 00:00:00 UTC";
        let date = "Fri, 01 Jan 2027 00:00:00 GMT";
        for code in [
            60004, 60005, 60025, 70001, 70003, 70009, 70013, 70014, 70050,
        ] {
            assert_eq!(hint(code, KEY, date).as_deref(), Some(differs));
        }
        assert_eq!(hint(70003, KEY, ""), None);
        assert_eq!(hint(90045, KEY, date), None);
        let remedy = explained(70001, KEY, "").1;
        let expected =
            "set this machine's clock: the UserSig was made just before, valid for a week";
        assert_eq!(remedy, expected);
    }

    #[test]
    fn a_usersig_from_elsewhere_has_the_remedy_of_where_it_is_made() {
        for (source, remedy) in [
            (
                UserSigSource::Ready,
                "pass a new UserSig, valid for 24 hours or more",
            ),
            (
                UserSigSource::Callback,
                "let the callback make a new UserSig, valid for 24 hours or more, with a right clock",
            ),
        ] {
            let explained = explained(70001, source, "Fri, 01 Jan 2027 00:00:00 GMT");
            assert_eq!(explained, (None, remedy));
        }
    }

    #[test]
    fn a_key_of_an_unusual_form_is_named_if_it_does_not_verify() {
        let unusual = UserSigSource::Key { usual: false };
        let said = "the secret key is not of the usual form, 64 hexadecimal characters";
        assert_eq!(hint(70009, unusual, "").as_deref(), Some(said));
        assert_eq!(hint(70009, KEY, ""), None);
        assert_eq!(hint(70003, unusual, ""), None);
    }

    #[test]
    fn a_time_is_formatted_on_each_side_of_a_leap_day() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_868_799, "2000-02-29 23:59:59 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_672_490_096, "2022-12-31 12:34:56 UTC"),
            (1_709_254_923, "2024-03-01 01:02:03 UTC"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), text);
        }
    }
}
