//! The limit: how long a call waits in an outage.

use std::time::Duration;

/// Limits are whole multiples of a step, so that calls of nearby limits share their last probe. Each step is half of the
/// next longer one, so that limits of calls of different length coincide, too.
const LONGEST_STEP: Duration = Duration::from_secs(1);
const HALVINGS: u32 = 9;

/// The limit of a call: half of the time that it has left, and up to an eighth more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) at: Duration,
    step: Duration,
}

impl Limit {
    pub(super) fn new(now: Duration, deadline: Duration) -> Limit {
        let left = deadline.saturating_sub(now);
        let steps = (0..=HALVINGS).map(|halvings| LONGEST_STEP / (1 << halvings));
        let step = steps.clone().find(|step| *step <= left / 8);
        let half = now + left / 2;
        Limit {
            // a call too short for any step keeps its half
            at: step.map_or(half, |step| multiple_from(half, step)),
            step: step.unwrap_or(LONGEST_STEP / (1 << HALVINGS)),
        }
    }

    /// The next step after `now`.
    pub(super) fn after(self, now: Duration) -> Limit {
        Limit {
            at: multiple_from(now + Duration::from_nanos(1), self.step),
            ..self
        }
    }
}

/// The first multiple of `step` that is `moment` or later.
fn multiple_from(moment: Duration, step: Duration) -> Duration {
    let over = moment.as_nanos() % step.as_nanos();
    let over = Duration::from_nanos(u64::try_from(over).unwrap_or(0));
    if over.is_zero() {
        moment
    } else {
        moment.saturating_add(step - over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(now: u64, deadline: u64) -> u128 {
        let ms = Duration::from_millis;
        Limit::new(ms(now), ms(deadline)).at.as_micros()
    }

    #[test]
    fn a_limit_is_half_of_what_is_left_rounded_up_to_a_step_of_at_most_an_eighth() {
        assert_eq!(limit(0, 10_000), 5_000_000);
        assert_eq!(limit(1, 10_001), 6_000_000);
        assert_eq!(limit(999, 10_999), 6_000_000);
        assert_eq!(limit(1, 60_001), 31_000_000);
        assert_eq!(limit(1, 7_999), 4_000_000); // by steps of 500 ms
        assert_eq!(limit(7, 1_007), 625_000); // by steps of 125 ms
        assert_eq!(limit(7, 17), 12_000); // too short for any step
        assert_eq!(limit(7, 7), 7_000);
    }

    #[test]
    fn the_limit_after_is_later() {
        let ms = Duration::from_millis;
        let limit = Limit::new(ms(0), ms(10_000));
        assert_eq!(limit.after(ms(5_000)).at, ms(6_000));
        assert_eq!(limit.after(ms(5_999)).at, ms(6_000));
        assert_eq!(limit.after(ms(6_000)).at, ms(7_000));
    }
}
