//! The library as others get it: installed by the task as a person would run it, then used by a C and a C++ program
//! that lie elsewhere, shared and static, found by pkg-config and by CMake. Both as it is built every day and as it is
//! shipped, as link-time optimisation changes what is in an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::summary::Outcome;
use super::tools;
use crate::Error;
use crate::cargo::root;
use crate::install::program::output;
use crate::install::{archive, elf};

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

pub(super) fn as_built() -> Outcome {
    outcome("dev")
}

pub(super) fn as_shipped() -> Outcome {
    outcome("dist")
}

fn outcome(profile: &str) -> Outcome {
    for (program, package) in PROGRAMS {
        if let Err(why) = tools::program(program, package) {
            return Outcome::Skipped(why);
        }
    }
    let name = format!("imtag-install-{profile}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let done = fs::create_dir_all(&folder)
        .map_err(Error::from)
        .and_then(|()| check(profile, &folder));
    if let Err(error) = fs::remove_dir_all(&folder) {
        println!("{} is left: {error}", folder.display());
    }
    match done {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Failed(why.to_string()),
    }
}

fn check(profile: &str, folder: &Path) -> Result<(), Error> {
    let first = folder.join("first");
    install(profile, &[], &first)?;
    let again = install(profile, &[], &first)?;
    expect(
        !again.contains("wrote "),
        "what is fresh is not written again",
    )?;
    libraries(&first)?;
    for kind in [Kind::Shared, Kind::Static] {
        for language in ["c", "cpp"] {
            let program = by_pkg_config(kind, language, &first, folder)?;
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
    by_source(profile, folder)?;
    wrong_compilers(&moved)?;
    for_packagers(profile, folder)?;
    no_place(profile)
}

/// Installs as a person would; what it prints.
fn install(profile: &str, options: &[&str], prefix: &Path) -> Result<String, Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["install", "--profile", profile, "--prefix"]);
    output(command.arg(prefix).args(options).current_dir(root()))
}

/// The libraries have the promised names, and only those.
fn libraries(prefix: &Path) -> Result<(), Error> {
    let lib = prefix.join("lib");
    let link = |name: &str| fs::read_link(lib.join(name));
    expect(
        link("libimtag.so")? == Path::new("libimtag.so.0.1"),
        "libimtag.so leads to its SONAME",
    )?;
    expect(
        link("libimtag.so.0.1")? == Path::new("libimtag.so.0.1.0"),
        "the SONAME leads to the file",
    )?;
    let (shared, archive) = (lib.join("libimtag.so"), lib.join("libimtag.a"));
    let dynamic = elf::dynamic(&shared)?;
    expect(
        dynamic.soname.as_deref() == Some("libimtag.so.0.1"),
        "the SONAME is as cargo-c names it",
    )?;
    expect(dynamic.stays, "the shared library is never unloaded")?;
    let exported = elf::exported(&shared)?;
    let foreign = exported.iter().find(|name| !name.starts_with("im_"));
    expect(
        foreign.is_none(),
        &format!("only im_ is exported, not {foreign:?}"),
    )?;
    expect(
        exported.iter().any(|name| name == "im_add_tag"),
        "im_add_tag is exported",
    )?;
    expect(
        elf::global(&archive)? == exported,
        "what is global in the archive is what is exported",
    )?;
    for section in [".eh_frame", ".init_array.00099"] {
        expect(
            elf::has_section(&archive, section)?,
            &format!("the archive keeps {section}"),
        )?;
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

/// The flags that pkg-config prints.
fn flags(package: &str, prefix: &Path) -> Result<Vec<String>, Error> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let text = output(command.args(["--cflags", "--libs", package]))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn by_pkg_config(
    kind: Kind,
    language: &str,
    prefix: &Path,
    folder: &Path,
) -> Result<PathBuf, Error> {
    let program = folder.join(format!("{language}-{}", kind.package()));
    let mut compiler = match language {
        "c" => Command::new("gcc"),
        _ => Command::new("g++"),
    };
    if language == "cpp" {
        compiler.arg("-std=c++17");
    }
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program);
    compiler.arg(source(&format!("main.{language}")));
    output(compiler.args(flags(kind.package(), prefix)?))?;
    Ok(program)
}

fn by_cmake(settings: &[&str], build: &Path) -> Result<(), Error> {
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source("")).arg("-B").arg(build);
    output(configure.args(settings))?;
    output(Command::new("cmake").arg("--build").arg(build))?;
    for language in ["c", "cpp"] {
        let program = |kind| build.join(format!("{language}-{kind}"));
        check_program(&program("shared"), Kind::Shared, None)?; // CMake tells it where the library is
        check_program(&program("static"), Kind::Static, None)?;
    }
    Ok(())
}

/// A program that needs no library at all.
fn static_as_a_whole(prefix: &Path, folder: &Path) -> Result<(), Error> {
    for (compiler, language) in [("gcc", "c"), ("g++", "cpp")] {
        let program = folder.join(format!("whole-{language}"));
        let mut command = Command::new(compiler);
        command.arg("-static").arg("-o").arg(&program);
        command.arg(source(&format!("main.{language}")));
        output(command.args(flags("imtag-static", prefix)?))?;
        let said = output(&mut Command::new(&program))?;
        expect(said == SAYS, &format!("linked as a whole it says {said:?}"))?;
    }
    Ok(())
}

/// The repository as a part of another project, which has cargo build it.
fn by_source(profile: &str, folder: &Path) -> Result<(), Error> {
    let settings = [
        format!("-DIMTAG_SOURCE={}", root().display()),
        format!("-DIMTAG_PROFILE={profile}"),
    ];
    for how in ["add_subdirectory", "FetchContent"] {
        let how_it_comes = format!("-DIMTAG_BY={how}");
        let settings = [&settings[0], &settings[1], &*how_it_comes];
        by_cmake(&settings, &folder.join(how))?;
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
        expect(
            !said.status.success() && is_one,
            &format!("g++ {flag} says one line: {text}"),
        )?;
    }
    Ok(())
}

/// The program needs the library or has it in itself, and runs.
fn check_program(program: &Path, kind: Kind, libraries: Option<&Path>) -> Result<(), Error> {
    let needed = elf::dynamic(program)?.needed;
    let is_needed = needed.iter().any(|name| name == "libimtag.so.0.1");
    let is_any = needed.iter().any(|name| name.contains("imtag"));
    let name = program.display();
    match kind {
        Kind::Shared => expect(
            is_needed,
            &format!("{name} needs libimtag.so.0.1, of {needed:?}"),
        )?,
        Kind::Static => expect(!is_any, &format!("{name} needs no libimtag, of {needed:?}"))?,
    }
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
        rustc.args([
            "--edition",
            "2024",
            "--crate-name",
            "other",
            "--crate-type",
            kind,
        ]);
        rustc.args(["-O", "-C", "lto=fat"]); // which makes one object of it, all of whose names then clash
        let rustc = rustc.current_dir(root()).arg(source("other.rs"));
        output(rustc.arg("-o").arg(file))?;
    }
    let hidden = archive::hidden(&other, &shared, &folder.join("other"))?;
    let ours = flags("imtag-static", prefix)?;
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
        expect(
            said == "0.1.0 1 5 -1\n",
            &format!("both libraries work: {said:?}"),
        )?;
    }
    Ok(())
}

/// With a DESTDIR the files go there, and say where they will be used.
fn for_packagers(profile: &str, folder: &Path) -> Result<(), Error> {
    let destdir = folder.join("destdir");
    let place = destdir.display().to_string();
    let options = [
        "--destdir",
        &place,
        "--libdir",
        "/opt/imtag/lib/x86_64-linux-gnu",
    ];
    install(profile, &options, Path::new("/opt/imtag"))?;
    let lib = destdir.join("opt/imtag/lib/x86_64-linux-gnu");
    for package in ["imtag", "imtag-static"] {
        let pc = fs::read_to_string(lib.join(format!("pkgconfig/{package}.pc")))?;
        let names_the_prefix =
            pc.contains("prefix=/opt/imtag\nlibdir=${prefix}/lib/x86_64-linux-gnu\n");
        expect(
            names_the_prefix && !pc.contains(&place),
            &format!("{package}.pc: {pc}"),
        )?;
    }
    expect(
        lib.join("libimtag.so.0.1.0").exists(),
        "the library is in the libdir",
    )
}

/// A prefix that cannot be written to is named, with what to do.
fn no_place(profile: &str) -> Result<(), Error> {
    let Err(error) = install(profile, &[], Path::new("/dev/null/imtag")) else {
        return Err("an installation below /dev/null was no error".into());
    };
    let error = error.to_string();
    let is_clear = error.contains("cannot write /dev/null/imtag/")
        && error.contains("choose another --prefix");
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
