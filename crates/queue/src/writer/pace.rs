//! How long a commit waits for posts that are likely to come.

use std::time::Duration;

/// What the last rounds were like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sync: Duration,
    /// How many posts came in each, with those that waited behind them.
    recent: [usize; 8],
    round: usize,
}

impl Pace {
    /// Callers that were just answered post again at once. Where a sync is slow it pays to wait an eighth of it for them, as
    /// those that come too late wait for a whole one.
    pub(super) fn wait(&self, posts: usize) -> Option<Duration> {
        let expected = self.recent.iter().copied().max().unwrap_or(0);
        let wait = self.sync / 8;
        (posts > 0 && posts < expected && wait >= Duration::from_micros(100)).then_some(wait)
    }

    /// Notes a round of so many posts, and how long its commit took.
    pub(super) fn note(&mut self, posts: usize, sync: Duration) {
        self.round = (self.round + 1) % self.recent.len();
        self.recent[self.round] = posts;
        // one in many brings the log into the file, and takes longer
        self.sync = sync.min(self.sync * 2 + Duration::from_micros(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_makes_a_commit_wait_for_callers_that_posted_before_and_a_fast_one_does_not() {
        let after = |rounds: &[(usize, u64)]| {
            let mut pace = Pace::default();
            for _ in 0..20 {
                for (posts, millis) in rounds {
                    pace.note(*posts, Duration::from_millis(*millis));
                }
            }
            pace
        };
        let slow = after(&[(1, 20), (3, 20)]);
        assert_eq!(slow.wait(1), Some(Duration::from_micros(2_500)));
        assert_eq!(slow.wait(3), None, "all are there");
        assert_eq!(slow.wait(0), None);
        assert_eq!(after(&[(1, 20)]).wait(1), None, "it is the only one");
        assert_eq!(after(&[(1, 0), (3, 0)]).wait(1), None);
    }
}
