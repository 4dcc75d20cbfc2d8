//! The documented numbers of the service, each in this place only, the rules that a request is checked by, and how many calls
//! per second a process makes.
//!
//! Source of every number: the im_add_tag page of the service's documentation. Two come from other pages: the
//! account's length (the pages on UserIDs) and the tags of an app (the timpush pages).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::operation::Generation;
use crate::secret::shown_setting;

/// The limits of the service. [`Limits::DOCUMENTED`] is what its pages state today. Where a plan grants more, change
/// the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Users in one request.
    pub users_per_request: usize,
    /// Tags of one user in one request.
    pub tags_per_user_and_request: usize,
    /// Tags that a user carries.
    pub tags_per_user: usize,
    /// Bytes of a tag, in UTF-8.
    pub tag_bytes: usize,
    /// Bytes of an account (a UserID), in UTF-8. The `timpush` paths also take RegistrationIDs, whose length
    /// no page states: there only an empty one is refused.
    pub account_bytes: usize,
    /// Distinct tags of an app; counted on the `timpush` paths only.
    pub tags_per_app: usize,
    /// Calls a second of one operation, for the whole app.
    pub calls_per_second: u32,
}

impl Limits {
    /// What the service's pages state.
    pub const DOCUMENTED: Limits = Limits {
        users_per_request: 100,
        tags_per_user_and_request: 10,
        tags_per_user: 100,
        tag_bytes: 50,
        account_bytes: 32,
        tags_per_app: 1_000,
        calls_per_second: 100,
    };
}

/// A limit that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// No limit has this name.
    #[error("there is no limit {0:?}: use one of {names}", names = Limits::NAMES.join(", "))]
    Unknown(String),
    /// With a limit of 0 nothing could be sent.
    #[error("the limit {0} is 0: set 1 or more")]
    Zero(&'static str),
}

impl Limits {
    /// The names that [`set`](Limits::set) takes: the fields by which a request is checked.
    pub const NAMES: [&str; 5] = [
        "users_per_request",
        "tags_per_user_and_request",
        "tags_per_user",
        "tag_bytes",
        "account_bytes",
    ];

    /// Sets a limit by its name, for settings that come as text.
    ///
    /// ```
    /// use imtag_core::{AddTags, Limits, Rules};
    ///
    /// let mut rules = Rules::default();
    /// rules.limits.set("tag_bytes", 60)?;
    /// assert!(AddTags::with_rules(&rules, [("xiaojun012", ["x".repeat(60).as_str()])]).is_ok());
    /// # Ok::<(), imtag_core::InvalidLimit>(())
    /// ```
    ///
    /// # Errors
    /// For a name that no limit of a request has, and for 0.
    pub fn set(&mut self, name: &str, value: usize) -> Result<(), InvalidLimit> {
        let limits = [
            &mut self.users_per_request,
            &mut self.tags_per_user_and_request,
            &mut self.tags_per_user,
            &mut self.tag_bytes,
            &mut self.account_bytes,
        ];
        let mut named = Limits::NAMES.into_iter().zip(limits);
        let Some((name, limit)) = named.find(|(known, _)| *known == name) else {
            return Err(InvalidLimit::Unknown(shown_setting(name).to_owned()));
        };
        if value == 0 {
            return Err(InvalidLimit::Zero(name));
        }
        *limit = value;
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DOCUMENTED
    }
}

/// The rules by which a request is checked: the limits, and the generation of paths that it is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The generation of paths.
    pub generation: Generation,
    /// The numbers.
    pub limits: Limits,
}

impl Rules {
    /// The documented limits, for this generation of paths.
    #[must_use]
    pub fn for_generation(generation: Generation) -> Rules {
        Rules {
            generation,
            limits: Limits::DOCUMENTED,
        }
    }

    /// True if a request that keeps to `others` keeps to these, too.
    pub(crate) fn are_no_stricter_than(&self, others: &Rules) -> bool {
        let (most, others_most) = (&self.limits, &others.limits);
        // only the timpush paths take accounts of any length, and replace tags
        let allows_more = self.generation == Generation::Timpush
            || others.generation == Generation::AllMemberPush
                && most.account_bytes >= others_most.account_bytes;
        allows_more
            && most.users_per_request >= others_most.users_per_request
            && most.tags_per_user_and_request >= others_most.tags_per_user_and_request
            && most.tags_per_user >= others_most.tags_per_user
            && most.tag_bytes >= others_most.tag_bytes
    }
}

/// Calls per second of one operation, from 0.001 to 100000 in steps of 0.001: a process's share of the app's quota.
///
/// It is an integer of calls in 1,000 s. The quota rule counts whole calls, so it makes of it:
///
/// - 1 and more: so many whole calls in any second, the fraction dropped: 2.5 is 2 calls in any second;
/// - less than 1: one call in any 1 / rate seconds: 0.5 is one call in any 2 s.
///
/// ```
/// use std::time::Duration;
/// use imtag_core::CallRate;
///
/// let slow: CallRate = "0.50".parse()?;
/// assert_eq!(slow.to_string(), "0.5");
/// assert_eq!((slow.calls().get(), slow.window()), (1, Duration::from_secs(2)));
///
/// let fast = CallRate::try_from(2.5)?;
/// assert_eq!((fast.calls().get(), fast.window()), (2, Duration::from_secs(1)));
/// # Ok::<(), imtag_core::InvalidCallRate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallRate {
    calls_in_1000_s: NonZeroU32,
}

/// Calls per second that cannot be set: 0 or less, no number, more than any app may make, or finer than 0.001.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} calls per second: set 0.001 to 100000, with at most three decimals, this process's share of the app's quota"
)]
pub struct InvalidCallRate(String);

/// 100000 calls per second: no app has more, so a larger number is a mistake.
const MOST: f64 = 100_000_000.0;

impl CallRate {
    /// 80 % of what the service's pages state for an app. If more calls of one operation arrive in a second, the service
    /// sends an alarm to the app's webhook, if it has one.
    #[must_use]
    pub fn below_alarm() -> CallRate {
        CallRate::whole(Limits::DOCUMENTED.calls_per_second * 4 / 5)
    }

    fn whole(calls: u32) -> CallRate {
        CallRate {
            calls_in_1000_s: NonZeroU32::new(calls * 1_000).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// The calls that the rule admits in any [`window`](CallRate::window): whole ones, and at least one.
    #[must_use]
    pub fn calls(self) -> NonZeroU32 {
        NonZeroU32::new(self.calls_in_1000_s.get() / 1_000).unwrap_or(NonZeroU32::MIN)
    }

    /// What the rule counts the calls over: a second, and more if there is less than one call in it.
    #[must_use]
    pub fn window(self) -> Duration {
        let calls = u64::from(self.calls_in_1000_s.get().min(1_000));
        Duration::from_nanos(1_000_000_000_000_u64.div_ceil(calls))
    }

    /// The calls per second that the rule admits in the long run: 0.5 of 0.5, and 2 of 2.5.
    #[must_use]
    pub fn admitted_per_second(self) -> f64 {
        f64::from(self.calls_in_1000_s.get().min(1_000)) / 1_000.0 * f64::from(self.calls().get())
    }
}

impl Default for CallRate {
    /// What the service's pages state for an app: 100.
    fn default() -> CallRate {
        CallRate::whole(Limits::DOCUMENTED.calls_per_second)
    }
}

impl TryFrom<f64> for CallRate {
    type Error = InvalidCallRate;

    /// A number that a program has computed, such as 0.1 + 0.2, is taken for the thousandth that it stands beside.
    fn try_from(calls: f64) -> Result<CallRate, InvalidCallRate> {
        let exact = calls * 1_000.0;
        let nearest = exact.round();
        let rounding_error = nearest * 4.0 * f64::EPSILON;
        // false for what is no number
        if (1.0..=MOST).contains(&nearest) && (exact - nearest).abs() <= rounding_error {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // whole, and 1 to 10^8
            let rate = NonZeroU32::new(nearest as u32);
            if let Some(calls_in_1000_s) = rate {
                return Ok(CallRate { calls_in_1000_s });
            }
        }
        // unlike Display, Debug writes the largest and the smallest numbers with an exponent, not 300 digits
        let shown = format!("{calls:?}");
        Err(InvalidCallRate(
            shown.strip_suffix(".0").unwrap_or(&shown).to_owned(),
        ))
    }
}

impl FromStr for CallRate {
    type Err = InvalidCallRate;

    /// Takes a decimal: `100`, `2.5`, `0.001`.
    fn from_str(text: &str) -> Result<CallRate, InvalidCallRate> {
        let decimal = |byte: u8| byte.is_ascii_digit() || byte == b'.' || byte == b'-';
        let calls = text.bytes().all(decimal).then(|| text.parse::<f64>());
        let Some(Ok(calls)) = calls else {
            return Err(InvalidCallRate(format!("{:?}", shown_setting(text))));
        };
        let (_, fraction) = text.split_once('.').unwrap_or_default();
        // a float has no more than 17 digits: what is finer would be lost
        let too_fine = fraction.trim_end_matches('0').len() > 3;
        match CallRate::try_from(calls) {
            Ok(rate) if !too_fine => Ok(rate),
            _ => Err(InvalidCallRate(shown_setting(text).to_owned())),
        }
    }
}

impl From<CallRate> for f64 {
    fn from(rate: CallRate) -> f64 {
        f64::from(rate.calls_in_1000_s.get()) / 1_000.0
    }
}

impl fmt::Display for CallRate {
    /// Without trailing zeros: `100`, `2.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_rate_is_whole_calls_in_a_second_or_one_call_in_a_longer_window() {
        for (set, calls, window, admitted) in [
            (0.001, 1, ms(1_000_000), 0.001),
            (0.1, 1, ms(10_000), 0.1),
            (0.5, 1, ms(2_000), 0.5),
            (0.3, 1, Duration::from_nanos(3_333_333_334), 0.3),
            (0.999, 1, Duration::from_nanos(1_001_001_002), 0.999),
            (1.0, 1, ms(1_000), 1.0),
            (1.999, 1, ms(1_000), 1.0),
            (2.5, 2, ms(1_000), 2.0),
            (99_999.999, 99_999, ms(1_000), 99_999.0),
            (100_000.0, 100_000, ms(1_000), 100_000.0),
        ] {
            let rate = CallRate::try_from(set).unwrap();
            let made = (rate.calls().get(), rate.window());
            assert_eq!(made, (calls, window), "{set}");
            assert_eq!(rate.admitted_per_second().to_string(), admitted.to_string());
            assert_eq!(f64::from(rate).to_string(), set.to_string());
        }
    }

    #[test]
    fn a_decimal_is_read_and_printed_without_trailing_zeros() {
        for (text, printed) in [
            ("0.5", "0.5"),
            (".5", "0.5"),
            ("0.500000", "0.5"),
            ("0.001", "0.001"),
            ("2.50", "2.5"),
            ("100", "100"),
            ("100.0", "100"),
            ("0100", "100"),
            ("33.333", "33.333"),
            ("100000", "100000"),
        ] {
            assert_eq!(
                text.parse::<CallRate>().map(|rate| rate.to_string()),
                Ok(printed.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn every_thousandth_is_itself_as_a_float_and_as_a_decimal() {
        for calls_in_1000_s in (1..=2_000).chain(99_998_000..=100_000_000) {
            let rate = CallRate {
                calls_in_1000_s: NonZeroU32::new(calls_in_1000_s).unwrap(),
            };
            assert_eq!(CallRate::try_from(f64::from(rate)), Ok(rate));
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }

    #[test]
    fn what_is_computed_is_taken_for_the_thousandth_beside_it() {
        let computed = 0.1 + 0.2;
        assert_eq!(f64::to_string(&computed), "0.30000000000000004");
        assert_eq!(CallRate::try_from(computed).unwrap().to_string(), "0.3");
        assert_eq!(CallRate::default().to_string(), "100");
    }

    #[test]
    fn what_cannot_be_set_is_named_with_the_range() {
        let sentence = |shown: &str| {
            format!(
                "{shown} calls per second: set 0.001 to 100000, with at most three decimals, this process's share of \
                 the app's quota"
            )
        };
        for (set, shown) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (-1.0, "-1"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (0.0005, "0.0005"),
            (0.000_999_999, "0.000999999"),
            (0.0011, "0.0011"),
            (0.500_000_1, "0.5000001"),
            (100.0 / 3.0, "33.333333333333336"),
            (100_000.001, "100000.001"),
            (4_294_967_296.0, "4294967296"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
        ] {
            let refusal = CallRate::try_from(set).unwrap_err().to_string();
            assert_eq!(refusal, sentence(shown));
        }
        for (text, shown) in [
            ("0", "0"),
            ("0.0", "0.0"),
            ("-1", "-1"),
            ("0.0001", "0.0001"),
            ("0.50000000000000000001", "0.50000000000000000001"),
            ("100000.001", "100000.001"),
            ("many", "\"many\""),
            ("", "\"\""),
            (".", "\".\""),
            ("1.2.3", "\"1.2.3\""),
            ("+1", "\"+1\""),
            (" 1", "\" 1\""),
            ("1e3", "\"1e3\""),
            ("0,5", "\"0,5\""),
            ("nan", "\"nan\""),
            ("inf", "\"inf\""),
        ] {
            let refusal = text.parse::<CallRate>().unwrap_err().to_string();
            assert_eq!(refusal, sentence(shown));
        }
    }
}
