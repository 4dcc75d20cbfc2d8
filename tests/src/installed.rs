//! The library as others get it: installed by the task as a person would run it, then used by a C and a C++ program
//! that lie elsewhere, shared and static, found by pkg-config and by CMake. Both as it is built every day and as it is
//! shipped, as link-time optimisation changes what is in an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::pkg_config_flags;
use crate::cargo::{cargo, root};
use crate::error::Error;
use crate::program::output;
use crate::{archive, elf, tools};

/// What each program prints.
const SAYS: &str = "0.1.0 invalid request, nothing was sent: users[0].tags[0]: 51 bytes, at most 50 (shorten it)\n";

/// Each program with the Debian package that it comes in.
const PROGRAMS: [(&str, &str); 6] = [
    ("readelf", "binutils"),
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("pkg-config", "pkg-config"),
    ("make", "make"),
    ("cmake", "cmake"),
];

/// The compiler of each language, with its options.
const COMPILERS: [(&str, &str, &[&str]); 2] = [("c", "gcc", &[]), ("cpp", "g++", &["-std=c++17"])];

/// In a profile.
pub fn installed(profile: &str) -> Result<(), Error> {
    for (program, package) in PROGRAMS {
        tools::program(program, package)?;
    }
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let first = folder.join("first");
    install(profile, &[], &first)?;
    let again = install(profile, &[], &first)?;
    let is_left = !again.contains("wrote ");
    expect(is_left, "what is fresh is not written again")?;
    libraries(&first)?;
    for kind in [Kind::Shared, Kind::Static] {
        for (language, compiler, options) in COMPILERS {
            let program = folder.join(format!("{language}-{}", kind.package()));
            let mut compiler = Command::new(compiler);
            compiler.args(options).args(["-Wall", "-Wextra", "-Werror"]);
            compiler
                .arg("-o")
                .arg(&program)
                .arg(source(&format!("main.{language}")));
            output(compiler.args(pkg_config_flags(kind.package(), &first)?))?;
            check_program(&program, kind, Some(&first.join("lib")))?;
        }
    }
    static_as_a_whole(&first, folder)?;
    beside_another_library_of_rust(&first, folder)?;
    // CMake finds a tree that was moved, so that it may be packed
    let moved = folder.join("moved");
    fs::rename(&first, &moved)?;
    let found = format!("-DCMAKE_PREFIX_PATH={}", moved.display());
    by_cmake(&[&found], &folder.join("cmake"))?;
    // the repository as a part of another project, which has cargo build it
    for how in ["add_subdirectory", "FetchContent"] {
        let source = format!("-DIMTAG_SOURCE={}", root().display());
        let settings = [
            &source,
            &format!("-DIMTAG_PROFILE={profile}"),
            &format!("-DIMTAG_BY={how}"),
        ];
        by_cmake(&settings.map(String::as_str), &folder.join(how))?;
    }
    wrong_compilers(&moved)?;
    for_packagers(profile, folder)?;
    no_place(profile)
}

/// Installs as a person would; what it prints.
fn install(profile: &str, options: &[&str], prefix: &Path) -> Result<String, Error> {
    let mut command = cargo(["xtask", "install", "--profile", profile, "--prefix"]);
    output(command.arg(prefix).args(options))
}

/// The libraries have the promised names, and only those.
fn libraries(prefix: &Path) -> Result<(), Error> {
    let lib = prefix.join("lib");
    for (name, to) in [
        ("libimtag.so", "libimtag.so.0.1"),
        ("libimtag.so.0.1", "libimtag.so.0.1.0"),
    ] {
        let leads_to = fs::read_link(lib.join(name))? == Path::new(to);
        expect(leads_to, &format!("{name} leads to {to}"))?;
    }
    let (shared, archive) = (lib.join("libimtag.so"), lib.join("libimtag.a"));
    let dynamic = elf::dynamic(&shared)?;
    let is_named = dynamic.soname.as_deref() == Some("libimtag.so.0.1");
    expect(is_named, "the SONAME is as cargo-c names it")?;
    expect(dynamic.stays, "the shared library is never unloaded")?;
    let exported = elf::exported(&shared)?;
    let foreign = exported.iter().find(|name| !name.starts_with("im_"));
    expect(
        foreign.is_none(),
        &format!("only im_ is exported, not {foreign:?}"),
    )?;
    let adds = exported.iter().any(|name| name == "im_add_tag");
    expect(adds, "im_add_tag is exported")?;
    let are_same = elf::global(&archive)? == exported;
    expect(
        are_same,
        "what is global in the archive is what is exported",
    )?;
    for section in [".eh_frame", ".init_array.00099"] {
        let has = elf::has_section(&archive, section)?;
        expect(has, &format!("the archive keeps {section}"))?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shared,
    Static,
}

impl Kind {
    fn package(self) -> &'static str {
        match self {
            Kind::Shared => "imtag",
            Kind::Static => "imtag-static",
        }
    }
}

fn source(name: &str) -> PathBuf {
    root().join("tests/install").join(name)
}

fn by_cmake(settings: &[&str], build: &Path) -> Result<(), Error> {
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source("")).arg("-B").arg(build);
    output(configure.args(settings))?;
    output(Command::new("cmake").arg("--build").arg(build))?;
    for (language, _, _) in COMPILERS {
        let program = |kind| build.join(format!("{language}-{kind}"));
        check_program(&program("shared"), Kind::Shared, None)?; // CMake tells it where the library is
        check_program(&program("static"), Kind::Static, None)?;
    }
    Ok(())
}

/// A program that needs no library at all.
fn static_as_a_whole(prefix: &Path, folder: &Path) -> Result<(), Error> {
    for (language, compiler, _) in COMPILERS {
        let program = folder.join(format!("whole-{language}"));
        let mut command = Command::new(compiler);
        command.arg("-static").arg("-o").arg(&program);
        command.arg(source(&format!("main.{language}")));
        output(command.args(pkg_config_flags("imtag-static", prefix)?))?;
        let said = output(&mut Command::new(&program))?;
        expect(said == SAYS, &format!("linked as a whole it says {said:?}"))?;
    }
    Ok(())
}

/// What the C++ binding cannot be compiled with is said in one line.
fn wrong_compilers(prefix: &Path) -> Result<(), Error> {
    for (flag, says) in [
        ("-std=c++14", "imtag.hpp needs C++17 or newer"),
        ("-fno-exceptions", "imtag.hpp needs exceptions"),
    ] {
        let mut compiler = Command::new("g++");
        compiler.args(["-std=c++17", flag, "-fsyntax-only", "-x", "c++", "-include"]);
        compiler
            .arg(prefix.join("include/imtag.hpp"))
            .arg("/dev/null");
        let said = compiler.output()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        let errors: Vec<_> = text.lines().filter(|it| it.contains("error:")).collect();
        let is_one = matches!(errors.as_slice(), [one] if one.contains(says));
        let holds = !said.status.success() && is_one;
        expect(holds, &format!("g++ {flag} says one line: {text}"))?;
    }
    Ok(())
}

/// The program needs the library or has it in itself, and runs.
fn check_program(program: &Path, kind: Kind, libraries: Option<&Path>) -> Result<(), Error> {
    let needed = elf::dynamic(program)?.needed;
    let name = program.display();
    let ours: Vec<_> = needed
        .iter()
        .filter(|name| name.contains("imtag"))
        .collect();
    let expected: &[&str] = match kind {
        Kind::Shared => &["libimtag.so.0.1"],
        Kind::Static => &[],
    };
    expect(
        ours == expected,
        &format!("{name} needs {expected:?}, of {needed:?}"),
    )?;
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    if kind == Kind::Shared {
        command.envs(libraries.map(|folder| ("LD_LIBRARY_PATH", folder)));
    }
    let said = output(&mut command)?;
    expect(said == SAYS, &format!("{name} says {said:?}"))
}

/// libimtag.a and an archive of another project in one program that uses both: in either order, and with the names of
/// the other hidden in the way of ours, after which its panics are caught as before.
fn beside_another_library_of_rust(prefix: &Path, folder: &Path) -> Result<(), Error> {
    let [other, shared] = ["libother.a", "libother.so"].map(|name| folder.join(name));
    for (kind, file) in [("staticlib", &other), ("cdylib", &shared)] {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--crate-name", "other"]);
        // which makes one object of it, all of whose names then clash
        rustc.args(["--crate-type", kind, "-O", "-C", "lto=fat"]);
        let rustc = rustc.current_dir(root()).arg(source("other.rs"));
        output(rustc.arg("-o").arg(file))?;
    }
    let hidden = archive::hidden(&other, &shared, &folder.join("other"))?;
    let ours = pkg_config_flags("imtag-static", prefix)?;
    let system: Vec<_> = ours.iter().filter(|flag| flag.starts_with("-l")).collect();
    for (other, is_first) in [(&other, true), (&other, false), (&hidden, false)] {
        let program = folder.join("both");
        let mut gcc = Command::new("gcc");
        gcc.arg(source("both.c")).arg("-o").arg(&program);
        if is_first {
            gcc.arg(other).args(&ours);
        } else {
            gcc.args(&ours).arg(other).args(&system);
        }
        output(&mut gcc)?;
        let said = output(&mut Command::new(&program))?;
        let works = said == "0.1.0 1 5 -1\n";
        expect(works, &format!("both libraries work: {said:?}"))?;
    }
    Ok(())
}

/// With a DESTDIR the files go there, and say where they will be used.
fn for_packagers(profile: &str, folder: &Path) -> Result<(), Error> {
    let destdir = folder.join("destdir");
    let place = destdir.display().to_string();
    let libdir = "/opt/imtag/lib/x86_64-linux-gnu";
    let options = ["--destdir", &place, "--libdir", libdir];
    install(profile, &options, Path::new("/opt/imtag"))?;
    let lib = destdir.join("opt/imtag/lib/x86_64-linux-gnu");
    for package in ["imtag", "imtag-static"] {
        let pc = fs::read_to_string(lib.join(format!("pkgconfig/{package}.pc")))?;
        let prefix = "prefix=/opt/imtag\nlibdir=${prefix}/lib/x86_64-linux-gnu\n";
        let names_the_prefix = pc.contains(prefix) && !pc.contains(&place);
        expect(names_the_prefix, &format!("{package}.pc: {pc}"))?;
    }
    let is_there = lib.join("libimtag.so.0.1.0").exists();
    expect(is_there, "the library is in the libdir")
}

/// A prefix that cannot be written to is named, with what to do.
fn no_place(profile: &str) -> Result<(), Error> {
    let Err(error) = install(profile, &[], Path::new("/dev/null/imtag")) else {
        return Err("an installation below /dev/null was no error".into());
    };
    let error = error.to_string();
    let names_it = error.contains("cannot write /dev/null/imtag/");
    let is_clear = names_it && error.contains("choose another --prefix");
    expect(
        is_clear,
        &format!("the error names the place and what to do: {error}"),
    )
}

fn expect(holds: bool, what: &str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(format!("this does not hold: {what}").into())
    }
}
