//! Which cores a benchmark runs on.

use std::process::Command;

use crate::Error;
use crate::program::output;

/// The first and the last core that this process may use.
pub(super) fn cores() -> Result<(String, String), Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ends = ends(&status).ok_or("the system does not say which cores may be used")?;
    Ok((ends.0.to_owned(), ends.1.to_owned()))
}

/// The first and the last number of a line `Cpus_allowed_list: 0-1,4`.
fn ends(status: &str) -> Option<(&str, &str)> {
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut numbers = list.trim().split([',', '-']);
    let first = numbers.next()?;
    Some((first, numbers.next_back().unwrap_or(first)))
}

/// Keeps the main thread, which has to be the caller, and all that it starts from now on, on a core.
pub(super) fn pin(core: &str) -> Result<(), Error> {
    let thread = std::process::id().to_string();
    output(Command::new("taskset").args(["--cpu-list", "--pid", core, &thread]))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_core_are_those_that_may_be_used() {
        for (list, cores) in [
            ("0", ("0", "0")),
            ("0-1", ("0", "1")),
            ("0-3,6", ("0", "6")),
            ("2,4-7", ("2", "7")),
        ] {
            let status = format!("Name:\tx\nCpus_allowed_list:\t{list}\nMems_allowed:\t1\n");
            assert_eq!(ends(&status), Some(cores));
        }
        assert_eq!(ends("Name:\tx\n"), None);
    }
}
