//! Smoke tests of the packages before they are shipped: a C program is built against the packed folder, the wheel is
//! imported where nothing else is installed, and a panic is caught in a library that was built in the same way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::zig::{GLIBC, Zig};
use crate::Error;
use crate::cargo::root;
use crate::install::elf::{self, glibc};
use crate::install::tree::soname;
use crate::program::output;
use crate::pypi::VirtualEnv;

/// What a system always has beside the C library's own parts.
const ON_EVERY_SYSTEM: [&str; 7] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// What an invalid request is told.
const REFUSED: &str = "51 bytes, at most 50";

/// A library or program needs no newer system than is promised, and no library that a system may lack.
pub(super) fn runs_on_old_systems(file: &Path) -> Result<(), Error> {
    let name = file.display();
    let needed = glibc(file)?;
    println!("{name} needs glibc {}.{}", needed.0, needed.1);
    if needed > GLIBC {
        return Err(format!("{name} needs glibc {needed:?}, more than is promised").into());
    }
    let libraries = elf::dynamic(file)?.needed;
    let is_extra = |library: &&String| !ON_EVERY_SYSTEM.contains(&library.as_str());
    match libraries.iter().find(is_extra) {
        Some(extra) => Err(format!("{name} needs {extra}, which a system may lack").into()),
        None => Ok(()),
    }
}

/// The shared library is linked as crates/ffi/build.rs asks, whichever the linker, and exports `im_*` only.
pub(super) fn is_linked_as_meant(shared: &Path) -> Result<(), Error> {
    let dynamic = elf::dynamic(shared)?;
    if dynamic.soname != Some(soname()) || !dynamic.stays {
        return Err(format!("the linker lost the SONAME or `nodelete`: {dynamic:?}").into());
    }
    let exported = elf::exported(shared)?;
    match exported.iter().find(|name| !name.starts_with("im_")) {
        Some(other) => Err(format!("libimtag.so exports {other}").into()),
        None if exported.is_empty() => Err("libimtag.so exports nothing".into()),
        None => Ok(()),
    }
}

/// Programs that use the packed folder, by this machine's compiler and by one for the old glibc.
pub(super) fn programs(zig: &Zig, packed: &Path, folder: &Path) -> Result<(), Error> {
    for package in ["imtag", "imtag-static"] {
        let flags = pkg_config_flags(package, packed)?;
        for (name, mut compiler) in [("cc", Command::new("cc")), ("zig", zig.cc())] {
            let program = folder.join(format!("{package}-{name}"));
            compiler.arg(root().join("tests/install/main.c"));
            compiler.args(&flags);
            if (package, name) == ("imtag-static", "zig") {
                // gcc adds what unwinds stacks by itself, and zig does not
                compiler.arg("-lunwind");
            }
            output(compiler.arg("-o").arg(&program))?;
            says_what_it_should(Command::new(&program).env("LD_LIBRARY_PATH", packed.join("lib")))?;
            if name == "zig" {
                let needed = glibc(&program)?;
                if needed > GLIBC {
                    return Err(format!("with {package} a program needs glibc {needed:?}").into());
                }
            }
        }
    }
    Ok(())
}

/// What pkg-config prints for a package of a tree: the flags for a compiler.
fn pkg_config_flags(package: &str, prefix: &Path) -> Result<Vec<String>, Error> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let text = output(command.args(["--cflags", "--libs", package]))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The wheel, in an environment of its own.
pub(super) fn wheel(wheel: &Path, folder: &Path) -> Result<(), Error> {
    let venv = VirtualEnv::with_wheel(wheel, folder.join("clean"))?;
    let mut python = venv.program("python");
    let program = root().join("tests/install/main.py");
    says_what_it_should(python.arg("-I").arg(program).current_dir(folder))
}

fn says_what_it_should(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let said = output(command)?;
    if said.starts_with(concat!(env!("CARGO_PKG_VERSION"), " ")) && said.contains(REFUSED) {
        return Ok(());
    }
    Err(format!("{program} says {said:?}").into())
}

/// A panic is caught in a library that is linked by zig, whose unwinder is another than the system's.
pub(super) fn panics_are_caught(zig: &Zig, packed: &Path, folder: &Path) -> Result<(), Error> {
    let other = folder.join("other");
    fs::create_dir_all(&other)?;
    let sources = root().join("tests/install");
    fs::copy(sources.join("other.rs"), other.join("lib.rs"))?;
    fs::write(other.join("Cargo.toml"), OTHER)?;
    let lock = "version = 4\n[[package]]\nname = \"other\"\nversion = \"0.0.0\"\n";
    fs::write(other.join("Cargo.lock"), lock)?;
    let mut build = zig.cargo_zigbuild();
    build.arg("--manifest-path").arg(other.join("Cargo.toml"));
    output(build.arg("--target-dir").arg(other.join("target")))?;
    let library: PathBuf = ["target", &super::zig::target(), "dist"].iter().collect();
    let library = other.join(library);
    let program = folder.join("both");
    let mut cc = Command::new("cc");
    cc.arg(sources.join("both.c")).arg("-o").arg(&program);
    cc.arg("-I").arg(packed.join("include"));
    for folder in [&packed.join("lib"), &library] {
        cc.arg("-L").arg(folder);
        cc.arg(format!("-Wl,-rpath,{}", folder.display()));
    }
    output(cc.args(["-limtag", "-lother"]))?;
    let said = output(&mut Command::new(program))?;
    if said.ends_with(" 1 5 -1\n") {
        Ok(())
    } else {
        Err(format!("a panic was not caught: {said:?}").into())
    }
}

const OTHER: &str = "\
[package]
name = \"other\"
edition = \"2024\"
[lib]
path = \"lib.rs\"
crate-type = [\"cdylib\"]
[profile.dist]
inherits = \"release\"
lto = \"fat\"
[workspace]
";
