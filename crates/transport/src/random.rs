//! Random numbers, from the operating system each time: a forked child has no generator state to repeat.

use rand::TryRng;
use rand::rngs::SysRng;

/// 32 random bits, for the `random` of a call.
pub(crate) fn random_u32() -> u32 {
    SysRng
        .try_next_u32()
        .unwrap_or_else(|_| from_clock() as u32)
}

/// 64 random bits, for the jitter of a wait.
pub(crate) fn random_u64() -> u64 {
    SysRng.try_next_u64().unwrap_or_else(|_| from_clock())
}

/// Where the system has no random numbers. Neither use is a secret; the numbers only have to differ.
fn from_clock() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    hasher.write_u128(now.unwrap_or_default().as_nanos());
    hasher.finish()
}
