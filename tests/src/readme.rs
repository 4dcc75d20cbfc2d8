//! The README's examples in other languages, run as a reader would: the commands and the code as printed, in a folder
//! elsewhere, against an emulator. Each must tag the user that it says.
//!
//! The form: a section of its own (`HEADING`) with commands, then a section a language with its file and commands. What a
//! program brings in, blank lines and a lone brace aside, a code has at most ten lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Once;

use imtag_core::SecretKey;
use imtag_emulator::Emulator;

use crate::cargo::root;
use crate::error::Error;
use crate::log::Log;
use crate::page::{self, Section, shell};
use crate::python::Venv;
use crate::scene::{IDENTIFIER, SDKAPPID};
use crate::{build, go};

const HEADING: &str = "From C, C++, Python and Go";
/// What the name of each check begins with, before its language.
pub const CHECK: &str = "README in ";

const LINES_AT_MOST: usize = 10;

/// The emulator's key.
const KEY: &str = "of-no-app";

/// What every example adds.
const ACCOUNT: &str = "xiaojun012";
const TAGS: [&str; 2] = ["beijing", "vip"];
const SAYS: &str = "1 user tagged";

/// The example of the language that the check is named for.
pub fn example(log: &Log) -> Result<(), Error> {
    let language = log.check.trim_start_matches(CHECK);
    let (before, examples) = examples()?;
    let example = examples.iter().find(|example| example.name == language);
    let example = example.ok_or_else(|| format!("README.md has no {language:?}"))?;
    let [(file, code)] = example.files.as_slice() else {
        return Err("an example is one file".into());
    };
    let lines = code.lines().filter(|line| counts(line)).count();
    if lines > LINES_AT_MOST {
        return Err(format!("{lines} lines of code, at most {LINES_AT_MOST}").into());
    }
    let emulator = Emulator::builder().secret_key(SecretKey::new(KEY)?);
    let emulator = emulator.start()?;
    let elsewhere = tempfile::tempdir()?;
    let [project, wheels, key] =
        ["project", "wheels", "secret-key"].map(|name| elsewhere.path().join(name));
    // a place of its own in each run would have Go build what it has built; what is no longer installed goes
    static EMPTIED: Once = Once::new();
    let prefix = build::target()?.join("readme");
    EMPTIED.call_once(|| drop(fs::remove_dir_all(&prefix)));
    for folder in [&project, &wheels] {
        fs::create_dir_all(folder)?;
    }
    fs::write(project.join(file), code)?;
    fs::write(&key, KEY)?;
    let commands = example.commands.concat();
    if commands.lines().any(|line| line.starts_with("pip ")) {
        Venv::ready()?.download_build_tools(&wheels)?;
    }
    let script = format!("{before}cd '{}'\n{commands}", project.display());
    let mut shell = shell(&root(), &script);
    shell
        .env("PREFIX", &prefix)
        .env("CGO_CFLAGS", go::c_flags(&prefix))
        // pip builds in an environment that it fills: from the lock, and nothing else
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", file_url(&wheels))
        .env("IMTAG_SDKAPPID", SDKAPPID.to_string())
        .env("IMTAG_IDENTIFIER", IDENTIFIER)
        .env("IMTAG_ENDPOINT", emulator.endpoint())
        .env("IMTAG_SECRET_KEY_FILE", key);
    let said = log.output(&mut shell)?;
    let tags = emulator.user(ACCOUNT);
    if said.contains(SAYS) && tags == BTreeSet::from(TAGS.map(str::to_owned)) {
        Ok(())
    } else {
        Err(format!("it says {said:?}, and {ACCOUNT} has {tags:?}").into())
    }
}

/// What is typed before all examples, and the examples.
fn examples() -> Result<(String, Vec<Section>), Error> {
    let mut sections = page::read("README.md")?.into_iter();
    let first = sections.find(|section| section.name == HEADING);
    let first = first.ok_or_else(|| format!("README.md has no {HEADING:?}"))?;
    let examples = sections.take_while(|section| section.level > first.level);
    Ok((first.commands.concat(), examples.collect()))
}

/// The languages of the examples, in the page's order.
#[cfg(test)]
pub(crate) fn languages() -> Result<Vec<String>, Error> {
    let (_, examples) = examples()?;
    Ok(examples.into_iter().map(|it| it.name).collect())
}

/// A folder as pip takes it, whose list of folders is parted by blanks.
fn file_url(folder: &Path) -> String {
    let path = folder.display().to_string();
    format!("file://{}", path.replace('%', "%25").replace(' ', "%20"))
}

/// True if a line is one of the ten.
fn counts(line: &str) -> bool {
    let line = line.trim();
    let includes = ["#include", "import ", "package "];
    let brings_in = includes.iter().any(|word| line.starts_with(word));
    !line.is_empty() && line != "}" && !brings_in
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_brings_in_is_not_one_of_its_lines() {
        for line in [
            "#include <imtag.h>",
            "import imtag",
            "package main",
            "",
            "  }",
        ] {
            assert!(!counts(line), "{line}");
        }
        assert!(counts("int main(void) {"));
    }
}
