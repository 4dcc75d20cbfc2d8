//! The programs in other languages that are measured.

use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::cargo::root;
use crate::program::output;
use imtag_checks::{c, go, python, tools};

/// What this machine lacks for a language, or for libcurl, in a sentence.
pub(super) fn missing(language: &str) -> Option<String> {
    let found = match language {
        "C" => tools::program("gcc", "gcc"),
        "C++" => tools::program("g++", "g++"),
        "Go" => tools::go(),
        "Python" => tools::python(),
        _ => libcurl(),
    };
    found.err().map(|why| format!("{language}: {why}"))
}

/// Without its headers: it is installed in more places than they are.
fn libcurl() -> Result<(), Error> {
    let mut gcc = Command::new("gcc");
    let file = output(gcc.arg(format!("-print-file-name={LIBCURL}")))?;
    if Path::new(file.trim()).is_absolute() {
        Ok(())
    } else {
        Err(format!("{LIBCURL} is not installed (Debian: libcurl4)").into())
    }
}

const LIBCURL: &str = "libcurl.so.4";

/// The program of a language for a benchmark, with the library that is installed in a folder.
pub(super) fn program(language: &str, bench: &str, prefix: &Path) -> Result<Command, Error> {
    let lib = &prefix.join("lib");
    match (language, bench) {
        ("C", _) => compiled(&format!("{bench}.c"), prefix),
        ("C++", _) => compiled(&format!("{bench}.cpp"), prefix),
        ("Python", _) => python::benchmark(&format!("{bench}.py"), lib),
        ("Go", "batcher") => go::benchmark("BatcherAtQuota", "1x", lib),
        ("Go", "marshal") => go::benchmark("Marshal", "2000x", lib),
        ("Go", _) => go::call_benchmark(prefix),
        _ => compiled(&format!("{bench}_curl.c"), prefix),
    }
}

/// A program of tests/bench in C or C++, linked with the library that is installed in a folder, or with libcurl.
fn compiled(source: &str, prefix: &Path) -> Result<Command, Error> {
    let (name, standard) = if source.ends_with(".cpp") {
        ("g++", "-std=c++17")
    } else {
        ("gcc", "-std=gnu11")
    };
    let program = prefix.join(format!("bench-{source}.out"));
    let mut compiler = c::compiler(name, prefix);
    compiler.args([standard, "-O2"]);
    compiler.arg(root().join("tests/bench").join(source));
    if source.contains("curl") {
        compiler.args([&format!("-l:{LIBCURL}"), "-pthread"]);
    } else {
        compiler.args(c::link_flags(prefix));
    }
    output(compiler.arg("-o").arg(&program))?;
    Ok(Command::new(program))
}
