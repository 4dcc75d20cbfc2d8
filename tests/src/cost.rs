//! What work costs: its time, which other programs on the machine lengthen, and the CPU of this process and of all that
//! it has started and seen end.

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What has passed since a start.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub time: Duration,
    pub cpu: Duration,
}

/// A start.
pub struct Start {
    time: Instant,
    cpu: Duration,
}

impl Start {
    pub fn now() -> Start {
        Start {
            time: Instant::now(),
            cpu: cpu(),
        }
    }

    pub fn until_now(&self) -> Cost {
        Cost {
            time: self.time.elapsed(),
            cpu: cpu().saturating_sub(self.cpu),
        }
    }
}

/// Of the process and of its children; nothing where a system does not tell.
fn cpu() -> Duration {
    let usages = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].map(getrusage);
    let usages = usages.into_iter().flatten();
    let microseconds = usages.map(|it| (it.user_time() + it.system_time()).num_microseconds());
    Duration::from_micros(microseconds.sum::<i64>().unsigned_abs())
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, cpu) = (self.time.as_secs_f32(), self.cpu.as_secs_f32());
        write!(f, "{time:.1} s, {cpu:.1} s of CPU")
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_cpu_of_what_was_started_counts() {
        let start = Start::now();
        let mut shell = Command::new("sh");
        shell.args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]);
        assert!(shell.status().unwrap().success());
        assert!(start.until_now().cpu > Duration::ZERO);
    }
}
