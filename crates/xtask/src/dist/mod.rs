//! `cargo xtask dist`: what is shipped to machines without Rust, into `target/artefacts` (`target/dist` is Cargo's own,
//! for the profile): the libraries, the command line and the wheel, for this platform and an old glibc. What fails its
//! test is not written.

mod glibc;
mod licences;
mod package;
mod path_remapping;
mod smoke_test;
mod wheel;
mod zig;

use std::fs;
use std::process::Command;

use crate::Error;
use crate::install::{build, sizes};
use crate::program::output;
use crate::pypi::{VirtualEnv, lock};
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
    all_is_here()?;
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

    let libraries = zig.libraries()?;
    let program = zig.command_line()?;
    smoke_test::is_linked_as_meant(&libraries.shared)?;
    for file in [&libraries.shared, &program] {
        smoke_test::runs_on_old_systems(file)?;
    }
    let library_folder = package::library(&libraries, &work)?;
    let program_folder = package::program(&program, &work)?;
    let wheel = wheel::built(
        &tools,
        &libraries.shared,
        &licences::notice("imtag-ffi")?,
        &work,
    )?;
    wheel::unpacked(&tools, &wheel, &work.join("wheel"))?;

    smoke_test::names_no_place(&library_folder, &remapping)?;
    smoke_test::names_no_place(&program_folder, &remapping)?;
    smoke_test::names_no_place(&work.join("wheel"), &remapping)?;
    smoke_test::programs(&zig, &library_folder, &work)?;
    smoke_test::panics_are_caught(&zig, &library_folder, &work)?;
    smoke_test::wheel(&wheel, &work)?;

    let mut files = Vec::new();
    for file in [
        package::packed(&library_folder)?,
        package::packed(&program_folder)?,
        wheel,
    ] {
        let shipped = to.join(file.file_name().ok_or("an artefact has a name")?);
        fs::rename(file, &shipped)?;
        println!("wrote {}", shipped.display());
        files.push(shipped);
    }
    package::sums(&to, &files.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    fs::remove_dir_all(work)?;
    println!("{}", sizes(&libraries)?);
    Ok(())
}

/// Says before the minutes of building what would be missed after them.
fn all_is_here() -> Result<(), Error> {
    for (program, package) in NEEDED {
        let mut command = Command::new(program);
        output(command.arg("--version")).map_err(|why| format!("install {package}: {why}"))?;
    }
    Ok(())
}
