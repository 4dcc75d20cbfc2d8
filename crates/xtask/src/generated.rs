//! Files of the repository that a task generates: the same code writes one and says whether it is stale, so the
//! two cannot come apart, and every message names the command that fixes it.

use std::fs;
use std::io::ErrorKind;

use crate::Error;
use crate::cargo::root;

/// A generated file as it should be.
pub(crate) struct Generated {
    /// Its path from the root of the repository.
    pub(crate) path: &'static str,
    /// The command that writes it.
    pub(crate) command: &'static str,
    /// What it should hold.
    pub(crate) content: Vec<u8>,
}

/// Reads the options of a task that generates a file: whether it is only to be looked at, by `--check`.
pub(crate) fn only_check(mut arguments: lexopt::Parser) -> Result<bool, Error> {
    let mut check = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(check)
}

impl Generated {
    /// Writes the file where it is not fresh, or only says what is wrong with it.
    pub(crate) fn write_or_check(&self, only_check: bool) -> Result<(), Error> {
        let found = self.check();
        if only_check {
            return found;
        }
        let done = if found.is_ok() {
            "is fresh"
        } else {
            fs::write(root().join(self.path), &self.content)
                .map_err(|error| format!("cannot write {}: {error}", self.path))?;
            "is written"
        };
        println!("{} {done}", self.path);
        Ok(())
    }

    /// Says what is wrong with the file, and which command fixes it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (path, command) = (self.path, self.command);
        let fault = match fs::read(root().join(path)) {
            Ok(found) if found == self.content => return Ok(()),
            Ok(_) => "stale",
            Err(error) if error.kind() == ErrorKind::NotFound => "missing",
            Err(error) => return Err(format!("cannot read {path}: {error}").into()),
        };
        Err(format!("{path} is {fault}: run `{command}`").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_missing_file_is_named_with_the_command_that_fixes_it() {
        for (path, fault) in [("Cargo.toml", "stale"), ("no such file", "missing")] {
            let generated = Generated {
                path,
                command: "cargo xtask this",
                content: b"other".to_vec(),
            };
            let error = generated.check().unwrap_err().to_string();
            assert_eq!(error, format!("{path} is {fault}: run `cargo xtask this`"));
        }
    }
}
