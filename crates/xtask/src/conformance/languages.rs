//! The languages, a row each: its name, and how its runner is built. A new language is a row and a function.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::runners;
use crate::Error;
use crate::install::{self, build, program};
use crate::test::{go, python, tools};

/// A language that has a runner.
#[derive(Clone, Copy)]
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Builds the runner, and says how it is started.
    pub(super) prepare: fn() -> Result<Command, Unready>,
}

/// Why a language cannot be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unready {
    /// The machine lacks it.
    Missing(String),
    /// It should be possible.
    Broken(String),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        Unready::Broken(error.to_string())
    }
}

pub(super) const LANGUAGES: [Language; 5] = [
    Language {
        name: "rust",
        prepare: rust,
    },
    Language {
        name: "c",
        prepare: c,
    },
    Language {
        name: "cpp",
        prepare: cpp,
    },
    Language {
        name: "python",
        prepare: python,
    },
    Language {
        name: "go",
        prepare: go,
    },
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
fn rust() -> Result<Command, Unready> {
    let program = build::for_tests()?.file("conformance")?;
    Ok(Command::new(program))
}

fn c() -> Result<Command, Unready> {
    tools::program("gcc", "gcc").map_err(Unready::Missing)?;
    tools::c_header("cjson/cJSON.h", "libcjson-dev").map_err(Unready::Missing)?;
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=gnu11", "-g"]);
    compiled(compiler, "c", &["-lcjson"])
}

fn cpp() -> Result<Command, Unready> {
    tools::cpp().map_err(Unready::Missing)?;
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-g"]);
    compiled(compiler, "cpp", &[])
}

/// All of a runner's sources, which have the language's name at their end, built by `compiler` against the installed
/// library, and others.
fn compiled(mut compiler: Command, language: &str, others: &[&str]) -> Result<Command, Unready> {
    let prefix = install::tree_for_tests()?;
    let sources = sources(language)?;
    let program = program(&prefix, language)?;
    compiler
        .arg(format!("-I{}", prefix.join("include").display()))
        .args(sources)
        .arg(format!("-L{}", prefix.join("lib").display()))
        .arg("-limtag")
        .args(others)
        .args(["-pthread", "-o"])
        .arg(&program);
    succeed(&mut compiler)?;
    Ok(with_library(&program, &prefix))
}

/// With the package as it is installed.
fn python() -> Result<Command, Unready> {
    let venv = python::Venv::ready().map_err(Unready::Missing)?;
    Ok(python::conformance_runner(&venv)?)
}

fn go() -> Result<Command, Unready> {
    tools::go().map_err(Unready::Missing)?;
    Ok(go::conformance_runner()?)
}

fn sources(language: &str) -> Result<Vec<PathBuf>, Unready> {
    let folder = runners().join(language);
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|of| of == language);
    let mut sources: Vec<PathBuf> = files.filter(is_source).collect();
    sources.sort();
    match sources.is_empty() {
        true => Err(Unready::Broken(format!(
            "there is no runner in {}",
            folder.display()
        ))),
        false => Ok(sources),
    }
}

/// Where a runner is built.
fn program(prefix: &Path, name: &str) -> Result<PathBuf, Error> {
    let folder = prefix.with_file_name("conformance");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(name))
}

/// A program that finds the library where it is installed.
fn with_library(program: &Path, prefix: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", prefix.join("lib"));
    command
}

fn succeed(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    program::run(command, &format!("{program} cannot build the runner"))
}
