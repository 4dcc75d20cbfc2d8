//! The library as others get it: installed by the task as a person would run it, then used by a C and a C++ program
//! that lie elsewhere, shared and static, found by pkg-config and by CMake. It is the library as it is shipped, as link-time
//! optimisation changes what is in an archive; that of every day is what the languages are tested with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::pkg_config_flags;
use crate::cargo::{cargo, root};
use crate::error::Error;
use crate::log::Log;
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

pub fn needs() -> Result<(), Error> {
    let mut programs = PROGRAMS.iter();
    programs.try_for_each(|(program, package)| tools::program(program, package))
}

pub fn installed(log: &Log) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let first = folder.join("first");
    install(log, &[], &first)?;
    let again = install(log, &[], &first)?;
    assert!(
        !again.contains("wrote "),
        "fresh, and written again: {again}"
    );
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
            log.output(compiler.args(pkg_config_flags(kind.package(), &first)?))?;
            check_program(log, &program, kind, Some(&first.join("lib")))?;
        }
    }
    static_as_a_whole(log, &first, folder)?;
    beside_another_library_of_rust(log, &first, folder)?;
    // CMake finds a tree that was moved, so that it may be packed
    let moved = folder.join("moved");
    fs::rename(&first, &moved)?;
    let found = format!("-DCMAKE_PREFIX_PATH={}", moved.display());
    by_cmake(log, &[&found], &folder.join("cmake"))?;
    // the repository as a part of another project, which has cargo build it
    for how in ["add_subdirectory", "FetchContent"] {
        let source = format!("-DIMTAG_SOURCE={}", root().display());
        by_cmake(
            log,
            &[&source, &format!("-DIMTAG_BY={how}")],
            &folder.join(how),
        )?;
    }
    wrong_compilers(&moved)?;
    for_packagers(log, folder)?;
    no_place(log)
}

/// Installs as a person would; what it prints.
fn install(log: &Log, options: &[&str], prefix: &Path) -> Result<String, Error> {
    let mut command = cargo(["xtask", "install", "--prefix"]);
    log.output(command.arg(prefix).args(options))
}

/// The libraries have the promised names, and only those.
fn libraries(prefix: &Path) -> Result<(), Error> {
    let lib = prefix.join("lib");
    for (name, to) in [
        ("libimtag.so", "libimtag.so.0.1"),
        ("libimtag.so.0.1", "libimtag.so.0.1.0"),
    ] {
        assert_eq!(fs::read_link(lib.join(name))?, Path::new(to), "{name}");
    }
    let (shared, archive) = (lib.join("libimtag.so"), lib.join("libimtag.a"));
    let dynamic = elf::dynamic(&shared)?;
    // as cargo-c names it
    assert_eq!(dynamic.soname.as_deref(), Some("libimtag.so.0.1"));
    assert!(dynamic.stays, "the shared library can be unloaded");
    let exported = elf::exported(&shared)?;
    assert!(exported.iter().any(|name| name == "im_add_tag"));
    let foreign = exported.iter().find(|name| !name.starts_with("im_"));
    assert_eq!(foreign, None, "only im_ is exported");
    assert_eq!(elf::global(&archive)?, exported, "the archive's are others");
    for section in [".eh_frame", ".init_array.00099"] {
        let has = elf::has_section(&archive, section)?;
        assert!(has, "the archive has lost {section}");
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

fn by_cmake(log: &Log, settings: &[&str], build: &Path) -> Result<(), Error> {
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source("")).arg("-B").arg(build);
    log.output(configure.args(settings))?;
    log.output(Command::new("cmake").arg("--build").arg(build))?;
    for (language, _, _) in COMPILERS {
        let program = |kind| build.join(format!("{language}-{kind}"));
        check_program(log, &program("shared"), Kind::Shared, None)?; // CMake tells it where the library is
        check_program(log, &program("static"), Kind::Static, None)?;
    }
    Ok(())
}

/// A program that needs no library at all.
fn static_as_a_whole(log: &Log, prefix: &Path, folder: &Path) -> Result<(), Error> {
    for (language, compiler, _) in COMPILERS {
        let program = folder.join(format!("whole-{language}"));
        let mut command = Command::new(compiler);
        command.arg("-static").arg("-o").arg(&program);
        command.arg(source(&format!("main.{language}")));
        log.output(command.args(pkg_config_flags("imtag-static", prefix)?))?;
        let said = log.output(&mut Command::new(&program))?;
        assert_eq!(said, SAYS, "linked as a whole");
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
        assert!(!said.status.success() && is_one, "g++ {flag} says {text}");
    }
    Ok(())
}

/// The program needs the library or has it in itself, and runs.
fn check_program(
    log: &Log,
    program: &Path,
    kind: Kind,
    libraries: Option<&Path>,
) -> Result<(), Error> {
    let needed = elf::dynamic(program)?.needed;
    let name = program.display();
    let ours = needed.into_iter().filter(|name| name.contains("imtag"));
    let expected = (kind == Kind::Shared).then_some("libimtag.so.0.1");
    assert_eq!(ours.collect::<Vec<_>>(), Vec::from_iter(expected), "{name}");
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    if kind == Kind::Shared {
        command.envs(libraries.map(|folder| ("LD_LIBRARY_PATH", folder)));
    }
    assert_eq!(log.output(&mut command)?, SAYS, "{name}");
    Ok(())
}

/// libimtag.a and an archive of another project in one program that uses both: in either order, and with the names of
/// the other hidden in the way of ours, after which its panics are caught as before.
fn beside_another_library_of_rust(log: &Log, prefix: &Path, folder: &Path) -> Result<(), Error> {
    let [other, shared] = ["libother.a", "libother.so"].map(|name| folder.join(name));
    for (kind, file) in [("staticlib", &other), ("cdylib", &shared)] {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--crate-name", "other"]);
        // which makes one object of it, all of whose names then clash
        rustc.args(["--crate-type", kind, "-O", "-C", "lto=fat"]);
        let rustc = rustc.current_dir(root()).arg(source("other.rs"));
        log.output(rustc.arg("-o").arg(file))?;
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
        log.output(&mut gcc)?;
        let said = log.output(&mut Command::new(&program))?;
        assert_eq!(said, "0.1.0 1 5 -1\n", "one of both does not work");
    }
    Ok(())
}

/// With a DESTDIR the files go there, and say where they will be used.
fn for_packagers(log: &Log, folder: &Path) -> Result<(), Error> {
    let destdir = folder.join("destdir");
    let place = destdir.display().to_string();
    let libdir = "/opt/imtag/lib/x86_64-linux-gnu";
    let options = ["--destdir", &place, "--libdir", libdir];
    install(log, &options, Path::new("/opt/imtag"))?;
    let lib = destdir.join("opt/imtag/lib/x86_64-linux-gnu");
    for package in ["imtag", "imtag-static"] {
        let pc = fs::read_to_string(lib.join(format!("pkgconfig/{package}.pc")))?;
        let prefix = "prefix=/opt/imtag\nlibdir=${prefix}/lib/x86_64-linux-gnu\n";
        assert!(pc.contains(prefix) && !pc.contains(&place), "{pc}");
    }
    assert!(lib.join("libimtag.so.0.1.0").exists());
    Ok(())
}

/// A prefix that cannot be written to is named, with what to do.
fn no_place(log: &Log) -> Result<(), Error> {
    let Err(error) = install(log, &[], Path::new("/dev/null/imtag")) else {
        return Err("an installation below /dev/null was no error".into());
    };
    let error = error.to_string();
    assert!(error.contains("cannot write /dev/null/imtag/"), "{error}");
    assert!(error.contains("choose another --prefix"), "{error}");
    Ok(())
}
