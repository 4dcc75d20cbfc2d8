//! Other programs, started for what they print, and then their complaints become the error, or for what they do.

use std::process::{Command, Stdio};

use crate::Error;

/// What `command` prints. The error names the program and repeats what it complained of.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = [output.stdout, output.stderr].map(|text| {
        let text = String::from_utf8_lossy(&text);
        text.trim().to_owned()
    });
    let complaint = printed.join("\n");
    Err(format!("{program}: {}: {}", output.status, complaint.trim()).into())
}

/// Runs a command whose output goes to the terminal as it is. `what` begins the error of one that fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), Error> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what}: {status}").into()),
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            Err(format!("cannot start {program}: {error}").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_or_fails_is_named() {
        let missing = output(&mut Command::new("no-such-objcopy")).unwrap_err();
        let missing = missing.to_string();
        assert!(missing.starts_with("no-such-objcopy cannot be started: "));
        let failing = output(Command::new("sh").args(["-c", "echo no room >&2; exit 3"]));
        let failing = failing.unwrap_err().to_string();
        assert_eq!(failing, "sh: exit status: 3: no room");
    }
}
