//! C++: the binding's tests, built with CMake and run against the emulator, with sanitizers, and plain in a long run. They
//! use the library as an installed one, so that what `find_package` needs is tested too.

use std::path::Path;
use std::process::Command;

use crate::cargo::root;
use crate::error::Error;
use crate::program::run;
use crate::{build, tools};

/// How the tests are built: their folder below that of all C++, and the option.
type Variant = (&'static str, &'static str);

pub const PLAIN: Variant = ("plain", "-DIMTAG_SANITIZE=OFF");

/// Leaks, wrong addresses and undefined behaviour of the binding; the library itself is as always. And what compilers say
/// of a wrong use.
pub const SANITIZED: Variant = ("sanitized", "-DIMTAG_SANITIZE=ON");

pub fn tested((name, sanitize): Variant) -> Result<(), Error> {
    tools::cpp()?;
    let prefix = build::tree()?;
    let folder = prefix.with_file_name("cpp").join(name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = cores.to_string();
    let setting = |name: &str, path: &Path| format!("-D{name}={}", path.display());

    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("bindings/cpp/tests"));
    configure.arg("-B").arg(&folder).arg(sanitize);
    configure.arg(setting("CMAKE_PREFIX_PATH", &prefix));
    run(configure.arg(setting("IMTAG_BIN", &build::imtag()?)))?;

    let mut build = Command::new("cmake");
    build.arg("--build").arg(&folder);
    run(build.args(["--parallel", &cores]))?;

    let mut ctest = Command::new("ctest");
    ctest.arg("--test-dir").arg(&folder);
    ctest.args(["--output-on-failure", "--no-tests=error"]);
    run(ctest.args(["--parallel", &cores]))
}
