//! Who is to hold how many slots: the same for all who want more than that, and what the others leave is for them. What is
//! left over when it is divided goes round, one slot a process and turn.

/// How long a process has one of the slots left over, at least: a slot that changes hands rests for as long as a call takes
/// and more.
const TURN: u64 = 4_000;

/// The same in round trips.
const TURN_ROUND_TRIPS: u64 = 40;

/// What one process has of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) held: u64,
    pub(super) want: u64,
    /// How long its calls take.
    pub(super) round_trip: u64,
    /// Since when it has had one of the slots left over; 0 if it has none.
    pub(super) extra_since: u64,
    /// When it had one last; 0 if never.
    pub(super) last_extra: u64,
}

impl Share {
    /// How many slots it is to hold, where each may have so many.
    pub(super) fn target(&self, level: u64) -> u64 {
        self.want.min(level + u64::from(self.extra_since > 0))
    }

    /// Who comes first when a slot is left over: one whose turn is not over (the last one to get it first), then the one
    /// that has waited for longest (a newcomer first), then one whose turn is over.
    fn rank(&self, now: u64) -> (u8, u64) {
        let turn = TURN.max(TURN_ROUND_TRIPS * self.round_trip);
        if self.extra_since == 0 {
            (1, self.last_extra)
        } else if now - self.extra_since < turn {
            (0, now - self.extra_since)
        } else {
            (2, self.extra_since)
        }
    }
}

/// Shares `slots` out among all, in the order of their names, and says how many each may have without one left over.
pub(super) fn share_out(shares: &mut [&mut Share], slots: u64, now: u64) -> u64 {
    let mut wants: Vec<u64> = shares.iter().map(|share| share.want).collect();
    wants.sort_unstable();
    let [mut left, mut processes] = [slots, wants.len() as u64];
    let mut level = slots;
    let mut left_over = 0;
    for want in wants {
        if want * processes > left {
            [level, left_over] = [left / processes, left % processes];
            break;
        }
        left -= want;
        processes -= 1;
    }
    let mut hungry: Vec<(u8, u64, usize)> = Vec::new();
    for (place, share) in shares.iter().enumerate() {
        if share.want > level {
            let (class, since) = share.rank(now);
            hungry.push((class, since, place));
        }
    }
    hungry.sort_unstable();
    let mut has_extra = vec![false; shares.len()];
    for (_, _, place) in hungry.into_iter().take(left_over as usize) {
        has_extra[place] = true;
    }
    for (share, has_extra) in shares.iter_mut().zip(has_extra) {
        if has_extra && share.extra_since == 0 {
            share.extra_since = now;
        } else if !has_extra && share.extra_since > 0 {
            share.last_extra = now;
            share.extra_since = 0;
        }
    }
    level
}
