//! docs/other-sdks.md, run as a reader would: its commands and programs as printed, in a folder elsewhere, against an
//! emulator of the command line. Each language must get an answer without an error.
//!
//! What would fetch an unlocked dependency is not run: the Rust program is the example `other_sdk` of this crate, which
//! Cargo builds with all others, by Cargo.lock. A test holds that its code is what the page prints.
//!
//! The form: `Start` with the command of the emulator and the settings of the other terminal; then a section a language.
//! The port 8443 stands for any.

use std::fs;
use std::path::Path;

use crate::build;
use crate::error::Error;
use crate::log::Log;
use crate::page::{self, Section, shell_with_imtag};
use crate::program::Running;

const PAGE: &str = "docs/other-sdks.md";
/// What the name of each check begins with, before its language.
pub const CHECK: &str = "other SDKs in ";
const PORT: &str = "8443";
const DONE: &str = "\"ErrorCode\":0";

const RUST: &str = "Rust";

/// The example of this crate that is the page's Rust program, and where the page has it.
const EXAMPLE: &str = "other_sdk";
const PROGRAM: &str = "target/debug/tag";

/// The section of the language that the check is named for, by an emulator of its own on a free port.
pub fn example(log: &Log) -> Result<(), Error> {
    let language = log.check.trim_start_matches(CHECK);
    let sections = page::read(PAGE)?;
    let [start, settings] = &section(&sections, "Start")?.commands[..] else {
        return Err(format!("{PAGE}: its start is not the emulator and the settings").into());
    };
    let elsewhere = tempfile::tempdir()?;
    let start = format!("exec {}", start.replace(PORT, "0"));
    let (_running, line) =
        Running::with_first_line(&mut shell_with_imtag(elsewhere.path(), &start)?)?;
    let port = line.split("https://127.0.0.1:").nth(1);
    let port = port.and_then(|it| it.split(' ').next());
    let port = port.ok_or_else(|| format!("the emulator does not start: {line}"))?;
    let section = section(&sections, language)?;
    run(section, elsewhere.path(), settings, port, log)
}

fn section<'a>(sections: &'a [Section], name: &str) -> Result<&'a Section, Error> {
    let found = sections.iter().find(|section| section.name == name);
    found.ok_or_else(|| format!("{PAGE} has no section {name:?}").into())
}

/// The languages of the page, in its order.
#[cfg(test)]
pub(crate) fn languages() -> Result<Vec<String>, Error> {
    let sections = page::read(PAGE)?.into_iter();
    let typed = sections.filter(|it| it.level == 2 && !it.commands.is_empty());
    Ok(typed.skip(1).map(|it| it.name).collect()) // after `Start`
}

/// Runs what is typed at once by itself, so that no command lives on another one's answer.
fn run(
    section: &Section,
    folder: &Path,
    settings: &str,
    port: &str,
    log: &Log,
) -> Result<(), Error> {
    for (name, text) in &section.files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text.replace(PORT, port))?;
    }
    if section.name == RUST {
        let program = folder.join(PROGRAM);
        fs::create_dir_all(program.parent().unwrap_or(folder))?;
        fs::copy(build::for_tests()?.file(EXAMPLE)?, program)?;
    }
    for commands in &section.commands {
        let script = format!("{settings}{}", without_cargo(commands)).replace(PORT, port);
        let said = log.output(&mut shell_with_imtag(folder, &script)?)?;
        if !said.contains(DONE) {
            return Err(format!("it says {said:?}").into());
        }
    }
    Ok(())
}

/// The commands, except those of Cargo, which take the newest of all dependencies.
fn without_cargo(commands: &str) -> String {
    let lines = commands.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("cargo ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rust_program_is_built_by_the_lock_as_the_page_prints_it() {
        let sections = page::read(PAGE).unwrap();
        let rust = section(&sections, RUST).unwrap();
        let example = include_str!("../examples/other_sdk.rs");
        let (_, code) = example.split_once("\n\n").unwrap();
        assert_eq!(rust.files, [("src/main.rs".to_owned(), code.to_owned())]);
        let run: Vec<_> = rust.commands.iter().map(|it| without_cargo(it)).collect();
        assert_eq!(
            run,
            ["unset HTTPS_PROXY\nHTTPS_PROXY=http://127.0.0.1:8443 target/debug/tag\n"]
        );
    }
}
