//! C++: the binding's tests, built with CMake and run against the emulator, with sanitizers, and plain in a long run. They
//! use the library as an installed one, so that what `find_package` needs is tested too.

use std::process::Command;

use crate::build;
use crate::cargo::root;
use crate::error::Error;
use crate::log::Log;

pub fn plain(log: &Log) -> Result<(), Error> {
    tested("plain", "-DIMTAG_SANITIZE=OFF", log)
}

/// Leaks, wrong addresses and undefined behaviour of the binding; the library itself is as always. And what compilers say
/// of a wrong use.
pub fn sanitized(log: &Log) -> Result<(), Error> {
    tested("sanitized", "-DIMTAG_SANITIZE=ON", log)
}

fn tested(name: &str, sanitize: &str, log: &Log) -> Result<(), Error> {
    let prefix = build::tree()?;
    let folder = prefix.with_file_name("cpp").join(name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = cores.to_string();
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("bindings/cpp/tests"));
    configure.arg("-B").arg(&folder).arg(sanitize);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    log.run(configure.arg(format!("-DIMTAG_BIN={}", build::imtag()?.display())))?;
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder);
    log.run(build.args(["--parallel", &cores]))?;
    let mut ctest = Command::new("ctest");
    ctest.arg("--test-dir").arg(&folder);
    ctest.args(["--output-on-failure", "--no-tests=error"]);
    log.run(ctest.args(["--parallel", &cores]))
}
