//! Which cores a benchmark runs on.

use std::process::Command;

use crate::Error;
use crate::program::output;

/// The first and the last core that this process may use.
pub(super) fn cores() -> Result<(String, String), Error> {
    let all = all_cores()?;
    let (first, last) = ends(&all);
    Ok((first.to_owned(), last.to_owned()))
}

/// All cores that this process may use, such as `0-1,4`.
pub(super) fn all_cores() -> Result<String, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let list = list(&status).ok_or("the system does not say which cores may be used")?;
    Ok(list.to_owned())
}

/// What the line `Cpus_allowed_list: 0-1,4` names.
fn list(status: &str) -> Option<&str> {
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(str::trim)
}

/// The first and the last number of a list.
fn ends(list: &str) -> (&str, &str) {
    let mut numbers = list.split([',', '-']);
    let first = numbers.next().unwrap_or_default();
    (first, numbers.next_back().unwrap_or(first))
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
        for (cores, first_and_last) in [
            ("0", ("0", "0")),
            ("0-1", ("0", "1")),
            ("0-3,6", ("0", "6")),
            ("2,4-7", ("2", "7")),
        ] {
            let status = format!("Name:\tx\nCpus_allowed_list:\t{cores}\nMems_allowed:\t1\n");
            assert_eq!(list(&status), Some(cores));
            assert_eq!(ends(cores), first_and_last);
        }
        assert_eq!(list("Name:\tx\n"), None);
    }
}
