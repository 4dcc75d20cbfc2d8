//! Files of the repository that a task generates: the same code writes one and says whether it is stale, so the
//! two cannot come apart, and every message names the command that fixes it.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

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
    /// Writes the file, or only says what is wrong with it.
    pub(crate) fn write_or_check(&self, only_check: bool) -> Result<(), Error> {
        if only_check {
            self.check()
        } else {
            self.write()
        }
    }

    /// Writes the file; one that is fresh is left as it is.
    pub(crate) fn write(&self) -> Result<(), Error> {
        if self.check().is_ok() {
            println!("{} is fresh", self.path);
            return Ok(());
        }
        fs::write(self.file(), &self.content)
            .map_err(|error| format!("cannot write {}: {error}", self.path))?;
        println!("wrote {}", self.path);
        Ok(())
    }

    /// Says what is wrong with the file, and which command fixes it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (path, command) = (self.path, self.command);
        match fs::read(self.file()) {
            Ok(found) if found == self.content => Ok(()),
            Ok(_) => Err(format!("{path} is stale: run `{command}`").into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(format!("{path} is missing: run `{command}`").into())
            }
            Err(error) => Err(format!("cannot read {path}: {error}").into()),
        }
    }

    fn file(&self) -> PathBuf {
        root().join(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_missing_file_is_named_with_the_command_that_fixes_it() {
        let generated = |path| Generated {
            path,
            command: "cargo xtask this",
            content: b"other".to_vec(),
        };
        assert_eq!(
            generated("Cargo.toml").check().unwrap_err().to_string(),
            "Cargo.toml is stale: run `cargo xtask this`"
        );
        assert_eq!(
            generated("no such file").check().unwrap_err().to_string(),
            "no such file is missing: run `cargo xtask this`"
        );
    }
}
