//! What processes and threads have cost so far, and on which cores they run, as Linux has it.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::Error;

/// The name of the emulator's threads.
const EMULATOR: &str = "imtag-emulator";

/// The CPU of a process, with that of its threads that have ended.
pub(super) fn cpu(process: u32) -> Result<Duration, Error> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))?;
    Ok(clock.now()?.into())
}

/// The CPU of this process without an emulator in it.
pub(super) fn cpu_of_the_client() -> Result<Duration, Error> {
    let process = Duration::from(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?);
    Ok(process.saturating_sub(cpu_of_threads(EMULATOR)?))
}

/// The CPU of the threads of this name that live.
pub(super) fn cpu_of_threads(name: &str) -> Result<Duration, Error> {
    let mut cpu = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        let [comm, schedstat] =
            ["comm", "schedstat"].map(|file| fs::read_to_string(folder.join(file)));
        // a thread may have ended meanwhile
        let (Ok(comm), Ok(schedstat)) = (comm, schedstat) else {
            continue;
        };
        if comm.trim_end() == name {
            let nanoseconds = schedstat.split_whitespace().next();
            let nanoseconds = nanoseconds.ok_or("this Linux counts no time of threads")?;
            cpu += Duration::from_nanos(nanoseconds.parse()?);
        }
    }
    Ok(cpu)
}

/// The bytes of memory of a process, by a field such as `VmRSS`. None of one that has ended.
pub(super) fn memory(process: u32, field: &str) -> Result<Option<u64>, Error> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let Some((_, kib)) = lines.find(|(name, _)| *name == field) else {
        return Ok(None);
    };
    let kib = kib.trim().strip_suffix(" kB").unwrap_or(kib);
    Ok(Some(1024 * kib.parse::<u64>()?))
}

/// The cores that this thread may use.
pub(super) fn all_cores() -> Result<CpuSet, Error> {
    Ok(sched_getaffinity(Pid::from_raw(0))?)
}

/// The first and the last of them.
pub(super) fn two_cores() -> Result<[CpuSet; 2], Error> {
    let all = all_cores()?;
    let cores = (0..CpuSet::count()).filter(|core| all.is_set(*core).unwrap_or(false));
    let cores = Vec::from_iter(cores);
    let ends = [cores.first(), cores.last()].map(|core| {
        let mut set = CpuSet::new();
        set.set(*core.ok_or("no core")?)?;
        Ok(set)
    });
    let [first, last]: [Result<CpuSet, Error>; 2] = ends;
    Ok([first?, last?])
}

/// Keeps this thread, and all that it starts from now on, on these cores.
pub(super) fn pin(cores: &CpuSet) -> Result<(), Error> {
    Ok(sched_setaffinity(Pid::from_raw(0), cores)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_a_thread_of_a_name_have_cost_something() {
        let look = || {
            // the system counts when a thread leaves its core
            std::thread::sleep(Duration::from_millis(1));
            cpu_of_threads("xtask-cost").unwrap()
        };
        let thread = std::thread::Builder::new().name("xtask-cost".to_owned());
        assert!(thread.spawn(look).unwrap().join().unwrap() > Duration::ZERO);
        assert_eq!(cpu_of_threads("no-such-thread").unwrap(), Duration::ZERO);
        let this = std::process::id();
        assert!(cpu(this).unwrap() > Duration::ZERO);
        assert!(memory(this, "VmHWM").unwrap() > Some(0));
        assert_eq!(memory(this, "VmNone").unwrap(), None);
    }
}
