//! The languages, and how the runner of each is built. A new language is a name, a line and a function.

use std::process::Command;

use crate::cargo::root;
use crate::error::Error;
use crate::{build, c, go, program, python, tools};

/// The languages that have a runner.
pub(super) const LANGUAGES: [&str; 5] = ["rust", "c", "cpp", "python", "go"];

/// Those whose runner does not answer figures and records (`observe`) yet: they skip the cases that ask for them.
pub(super) const PENDING: &[&str] = &[];

/// Builds the runner of a language, and says how it is started.
pub(super) fn runner(language: &str) -> Result<Command, Error> {
    match language {
        // an example of the transport
        "rust" => Ok(Command::new(build::for_tests()?.file("conformance")?)),
        "c" => c(),
        "cpp" => cpp(),
        "python" => python::conformance_runner(),
        "go" => go::conformance_runner(),
        other => Err(format!("{other} has no runner").into()),
    }
}

fn c() -> Result<Command, Error> {
    tools::program("gcc", "gcc")?;
    tools::c_header("cjson/cJSON.h", "libcjson-dev")?;
    compiled("c", &["gcc", "-std=gnu11"], &["-lcjson"])
}

fn cpp() -> Result<Command, Error> {
    tools::cpp()?;
    compiled("cpp", &["g++", "-std=c++17"], &[])
}

/// The runner of all sources of a language, which have its name at their end, built against the installed library and
/// `others`.
fn compiled(language: &str, compiler: &[&str; 2], others: &[&str]) -> Result<Command, Error> {
    let prefix = build::tree()?;
    let folder = prefix.with_file_name("conformance");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join(language);
    let sources = root().join("tests/conformance/runners").join(language);
    let [name, standard] = compiler;
    let mut compiler = c::compiler(name, &prefix);
    compiler.arg(standard).args(c::sources(&sources, language)?);
    compiler.args(c::link_flags(&prefix)).args(others);
    program::output(compiler.arg("-o").arg(&program))?;
    Ok(Command::new(program))
}
