//! `cargo xtask dist`: what is shipped to machines without Rust, into `target/artefacts` (`target/dist` is Cargo's own,
//! for the profile): the libraries, the command line and the wheel, for this platform and an old glibc. What fails its
//! test is not written.

mod licences;
mod package;
mod path_remapping;
mod smoke_test;
mod wheel;
mod zig;

use std::fs;

use crate::Error;
use crate::install::{build, sizes};
use crate::pypi::{VirtualEnv, lock};
use imtag_checks::tools;
use path_remapping::PathRemapping;
use zig::Zig;

const HELP: &str = "\
Usage: cargo xtask dist

Builds what is shipped into target/artefacts, and tries it: archives of the library and of the command line, the
wheel, and their SHA256SUMS. It takes minutes. It needs cc, binutils, pkg-config, tar and python3 with venv; the rest
comes from PyPI, as it is locked.
";

/// Each program with the Debian package that brings it.
const NEEDED: [(&str, &str); 7] = [
    ("cc", "gcc"),
    ("objdump", "binutils"),
    ("pkg-config", "pkg-config"),
    ("python3", "python3-venv"),
    ("tar", "tar"),
    ("gzip", "gzip"),
    ("sha256sum", "coreutils"),
];

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    use lexopt::prelude::*;
    match arguments.next()? {
        None => {}
        Some(Short('h') | Long("help")) => {
            print!("{HELP}");
            return Ok(());
        }
        Some(other) => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
    }
    // said before the minutes of building, and not after them
    tools::programs(&NEEDED)?;
    let target = build::target()?;
    let (to, work) = (target.join("artefacts"), target.join("artefacts-work"));
    for folder in [&to, &work] {
        let _ = fs::remove_dir_all(folder); // it is there from the second time on
        fs::create_dir_all(folder)?;
    }
    let tools = VirtualEnv::locked(lock::DIST, target.join("artefacts-tools"))?;
    let remapping = PathRemapping::of_this_machine(&target)?;
    let zig = Zig {
        tools: &tools,
        remapping: &remapping,
        cache: target.join("artefacts-cache"),
    };

    let libraries = build::Libraries::new(zig.built("imtag-ffi")?.file("libimtag.so")?)?;
    let program = zig.built("imtag-cli")?.file("imtag")?;
    smoke_test::is_linked_as_meant(&libraries.shared)?;
    for file in [&libraries.shared, &program] {
        smoke_test::runs_on_old_systems(file)?;
    }
    let library_folder = package::library(&libraries, &work)?;
    let program_folder = package::program(&program, &work)?;
    let notice = licences::notice("imtag-ffi")?;
    let wheel = wheel::built(&tools, &libraries.shared, &notice, &work)?;
    wheel::unpacked(&tools, &wheel, &work.join("wheel"))?;

    for folder in [&library_folder, &program_folder, &work.join("wheel")] {
        remapping.are_not_in(folder)?;
    }
    smoke_test::programs(&zig, &library_folder, &work)?;
    smoke_test::panics_are_caught(&zig, &library_folder, &work)?;
    smoke_test::wheel(&wheel, &work)?;

    let (library, program) = (
        package::packed(&library_folder)?,
        package::packed(&program_folder)?,
    );
    for file in [library, program, wheel] {
        let shipped = to.join(file.file_name().ok_or("an artefact has a name")?);
        fs::rename(file, &shipped)?;
        println!("wrote {}", shipped.display());
    }
    package::sums(&to)?;
    fs::remove_dir_all(work)?;
    println!("{}", sizes(&libraries)?);
    Ok(())
}
