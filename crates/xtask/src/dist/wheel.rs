//! The wheel for this platform, with the library that was built for the old glibc. auditwheel looks for itself at what
//! the library needs, and refuses the tag if it is more.

use std::fs;
use std::path::{Path, PathBuf};

use super::package::time;
use super::zig::GLIBC;
use crate::Error;
use crate::cargo::root;
use crate::install::write_atomic::{Content, write_atomic};
use crate::program::output;
use crate::pypi::{VirtualEnv, only_wheel};

/// Builds the wheel into a folder, with a notice of whose code is in it.
pub(super) fn built(
    tools: &VirtualEnv,
    library: &Path,
    notice: &str,
    to: &Path,
) -> Result<PathBuf, Error> {
    let [plain, parts, whole] =
        ["plain", "parts", "whole"].map(|name| to.join("wheels").join(name));
    let python = |module: &[&str]| {
        let mut python = tools.program("python");
        python.arg("-m").args(module);
        python.env("SOURCE_DATE_EPOCH", time());
        python
    };
    let mut build = python(&["build", "--wheel", "--no-isolation", "--outdir"]);
    build.arg(&plain).arg(root().join("bindings/python"));
    output(build.env("IMTAG_PREBUILT_LIBRARY", library))?;

    let mut unpack = python(&["wheel", "unpack", "--dest"]);
    output(unpack.arg(&parts).arg(only_wheel(&plain)?))?;
    let name = concat!("imtag-", env!("CARGO_PKG_VERSION"));
    let parts = parts.join(name);
    let beside = parts.join(format!("{name}.dist-info/licenses/THIRD-PARTY.txt"));
    write_atomic(&beside, &Content::Text(notice.to_owned()))?;
    fs::create_dir_all(&whole)?;
    let mut pack = python(&["wheel", "pack", "--dest-dir"]);
    output(pack.arg(&whole).arg(parts))?;

    let mut repair = python(&["auditwheel", "repair", "--plat", &platform()]);
    output(repair.arg("--wheel-dir").arg(to).arg(only_wheel(&whole)?))?;
    let wheel = only_wheel(to)?;
    let shown = output(python(&["auditwheel", "show"]).arg(&wheel))?;
    println!("{}", shown.trim());
    Ok(wheel)
}

/// `manylinux_2_17_x86_64`
fn platform() -> String {
    let (major, minor) = GLIBC;
    format!("manylinux_{major}_{minor}_{}", std::env::consts::ARCH)
}

/// Takes apart what a wheel has, to look at it.
pub(super) fn unpacked(tools: &VirtualEnv, wheel: &Path, to: &Path) -> Result<(), Error> {
    let mut python = tools.program("python");
    python.args(["-m", "zipfile", "--extract"]);
    output(python.arg(wheel).arg(to))?;
    Ok(())
}
