//! The programs in other languages that are measured.

use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::cargo::root;
use crate::program::output;
use imtag_checks::tools;

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

/// A program of tests/bench in C or C++, linked with the library in a folder, or with libcurl.
pub(super) fn compiled(source: &str, lib: &Path) -> Result<Command, Error> {
    let (compiler, standard) = if source.ends_with(".cpp") {
        ("g++", "-std=c++17")
    } else {
        ("gcc", "-std=gnu11")
    };
    let library = if source.contains("curl") {
        format!("-l:{LIBCURL}")
    } else {
        "-limtag".to_owned()
    };
    let program = lib.with_file_name(format!("bench-{source}.out"));
    let mut compile = Command::new(compiler);
    compile.args([standard, "-O2", "-I"]);
    compile.arg(lib.with_file_name("include"));
    compile.arg(root().join("tests/bench").join(source));
    compile
        .arg("-L")
        .arg(lib)
        .args([&library, "-pthread", "-o"]);
    output(compile.arg(&program))?;
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", lib);
    Ok(command)
}
