//! C++: the binding's tests, built with CMake and run against the emulator, with sanitizers, and plain in a long run. They
//! use the library as an installed one, so that what `find_package` needs is tested too.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::summary::Outcome;
use super::tools;
use crate::Error;
use crate::cargo::root;
use crate::install::{self, build, program};

/// How the tests are built.
#[derive(Clone, Copy)]
enum Variant {
    Plain,
    Sanitized,
}

impl Variant {
    /// The folder below that of all C++, and the option.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Variant::Plain => ("plain", "-DIMTAG_SANITIZE=OFF"),
            Variant::Sanitized => ("sanitized", "-DIMTAG_SANITIZE=ON"),
        }
    }
}

pub(super) fn plain() -> Outcome {
    tested(Variant::Plain)
}

/// Leaks, wrong addresses and undefined behaviour of the binding; the library itself is as always. And what compilers say
/// of a wrong use.
pub(super) fn sanitized() -> Outcome {
    tested(Variant::Sanitized)
}

fn tested(variant: Variant) -> Outcome {
    if let Err(why) = tools::cpp() {
        return Outcome::Skipped(why);
    }
    match built(variant).and_then(|folder| run(&mut ctest(&folder))) {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Failed(why.to_string()),
    }
}

/// Configures and builds; the folder.
fn built(variant: Variant) -> Result<PathBuf, Error> {
    let prefix = install::tree_for_tests()?;
    let (name, sanitize) = variant.names();
    let folder = prefix.with_file_name("cpp").join(name);
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(root().join("bindings/cpp/tests"))
        .arg("-B")
        .arg(&folder)
        .arg(sanitize)
        .arg(setting("CMAKE_PREFIX_PATH", &prefix))
        .arg(setting("IMTAG_BIN", &command_line()?));
    run(&mut configure)?;
    let mut build = Command::new("cmake");
    build
        .arg("--build")
        .arg(&folder)
        .args(["--parallel", &cores()]);
    run(&mut build)?;
    Ok(folder)
}

fn ctest(folder: &Path) -> Command {
    let mut ctest = Command::new("ctest");
    ctest
        .arg("--test-dir")
        .arg(folder)
        .args(["--output-on-failure", "--no-tests=error", "--parallel"])
        .arg(cores());
    ctest
}

fn setting(name: &str, path: &Path) -> String {
    format!("-D{name}={}", path.display())
}

/// The command line, whose emulator the tests start.
pub(super) fn command_line() -> Result<PathBuf, Error> {
    build::for_tests()?.file("imtag")
}

fn cores() -> String {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .to_string()
}

/// Runs a command whose output goes to the terminal as it is.
fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    program::run(command, &program)
}
