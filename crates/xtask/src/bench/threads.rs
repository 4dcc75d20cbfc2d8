//! What threads of this process have cost so far, as Linux counts it. An emulator in the same process costs too, on
//! threads that have its name: so it can be told from the client.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Error;

/// What some threads have cost since they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) threads: u32,
    pub(super) cpu: Duration,
    /// How often they were taken off a core, by themselves or by the system.
    pub(super) switches: u64,
}

/// The name of the emulator's threads.
const EMULATOR: &str = "imtag-emulator";

/// The threads of this name that live.
pub(super) fn of_threads(name: &str) -> Result<Cost, Error> {
    let mut cost = Cost::default();
    for task in fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        let [comm, schedstat, status] =
            ["comm", "schedstat", "status"].map(|file| fs::read_to_string(folder.join(file)));
        // a thread may have ended meanwhile
        let (Ok(comm), Ok(schedstat), Ok(status)) = (comm, schedstat, status) else {
            continue;
        };
        if comm.trim_end() != name {
            continue;
        }
        let nanoseconds = schedstat.split_whitespace().next();
        let nanoseconds = nanoseconds.ok_or("this Linux does not count the time of threads")?;
        cost.threads += 1;
        cost.cpu += Duration::from_nanos(nanoseconds.parse()?);
        cost.switches += switches(&status);
    }
    Ok(cost)
}

fn switches(status: &str) -> u64 {
    let counts = status
        .lines()
        .filter_map(|line| line.split_once("_ctxt_switches:"));
    let numbers = counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok());
    numbers.sum()
}

/// The time of the process, threads that have ended with it, less the emulator's.
pub(super) fn of_the_client() -> Result<Duration, Error> {
    let process = clock_gettime(ClockId::ProcessCPUTime);
    let process = Duration::try_from(process)?;
    Ok(process.saturating_sub(of_threads(EMULATOR)?.cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_its_name_and_has_cost_something() {
        let look = || {
            // the system counts when a thread leaves its core
            std::thread::sleep(Duration::from_millis(1));
            of_threads("xtask-cost").unwrap()
        };
        let thread = std::thread::Builder::new().name("xtask-cost".to_owned());
        let cost = thread.spawn(look).unwrap().join().unwrap();
        assert_eq!(cost.threads, 1);
        assert!(!cost.cpu.is_zero() && cost.switches > 0);
        assert_eq!(of_threads("no-such-thread").unwrap(), Cost::default());
    }

    #[test]
    fn both_kinds_of_switches_count() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t21\nnonvoluntary_ctxt_switches:\t16\n";
        assert_eq!(switches(status), 37);
    }
}
