//! The languages, a row each: its name, and how its runner is built. A new language is a row and a function.

use std::process::Command;

use super::case::runners;
use crate::Error;
use crate::program;
use crate::test::{c, go, python, tools};
use imtag_checks::build;

/// A language that has a runner.
#[derive(Clone, Copy)]
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Builds the runner, and says how it is started.
    pub(super) prepare: fn() -> Result<Command, Error>,
}

const fn language(name: &'static str, prepare: fn() -> Result<Command, Error>) -> Language {
    Language { name, prepare }
}

pub(super) const LANGUAGES: [Language; 5] = [
    language("rust", rust),
    language("c", c),
    language("cpp", cpp),
    language("python", python::conformance_runner),
    language("go", go::conformance_runner),
];

/// The language of a name.
pub(super) fn named(name: &str) -> Result<Language, Error> {
    let found = LANGUAGES.iter().find(|language| language.name == name);
    found.copied().ok_or_else(|| {
        let names = LANGUAGES.map(|language| language.name).join(", ");
        format!("there is no language {name:?}: {names}").into()
    })
}

/// An example of the transport.
fn rust() -> Result<Command, Error> {
    Ok(Command::new(build::for_tests()?.file("conformance")?))
}

fn c() -> Result<Command, Error> {
    tools::program("gcc", "gcc")?;
    tools::c_header("cjson/cJSON.h", "libcjson-dev")?;
    let flags = [&["-std=gnu11", "-g"], c::WARNINGS.as_slice()].concat();
    compiled("c", "gcc", &flags, &["-lcjson"])
}

fn cpp() -> Result<Command, Error> {
    tools::cpp()?;
    compiled("cpp", "g++", &["-std=c++17", "-g"], &[])
}

/// The runner of all sources of a language, which have its name at their end, built against the installed library and
/// `others`.
fn compiled(
    language: &str,
    compiler: &str,
    flags: &[&str],
    others: &[&str],
) -> Result<Command, Error> {
    let prefix = build::tree()?;
    let folder = prefix.with_file_name("conformance");
    std::fs::create_dir_all(&folder)?;
    let (program, lib) = (folder.join(language), prefix.join("lib"));
    let mut compiler = Command::new(compiler);
    compiler.args(flags).arg("-I").arg(prefix.join("include"));
    compiler.args(c::sources(&runners().join(language), language)?);
    compiler.arg("-L").arg(&lib).arg("-limtag").args(others);
    program::output(compiler.args(["-pthread", "-o"]).arg(&program))?;
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", lib);
    Ok(command)
}
