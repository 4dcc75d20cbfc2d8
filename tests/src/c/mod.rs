//! C: the tests of the interface as programs in C use it, plain, under valgrind, and compiled with sanitizers; the
//! header as C and C++ of each standard that counts, and the recorded interface with it. The library is an installed one.
//!
//! What each program holds stands at its head, in tests/c.

mod abi;
mod jobs;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::root;
use crate::error::Error;
use crate::program::output;
use crate::{build, elf, tools};
use jobs::Job;

pub const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// How the programs are built and run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    Valgrind,
    Sanitized,
}

/// The program that valgrind can say nothing of: a forked child leaks what is its parent's, as it should.
const FORK: &str = "fork";

/// The programs of tests/c, the longest first, as they run side by side.
const PROGRAMS: [&str; 16] = [
    FORK,
    "connections",
    "runs",
    "batcher",
    "withdraw",
    "threads",
    "calls",
    "cancel",
    "bulk",
    "ending",
    "unload",
    "outs",
    "credentials",
    "nulls",
    "pointers",
    "settings",
];

/// Standards, and what is compiled as such.
type Sources = [(&'static str, &'static str); 3];

/// The compilers, with the standards of their languages and what is compiled as such; gcc and g++ are needed, the others
/// are used if they are there.
const COMPILERS: [(&str, &str, Sources); 4] = [
    ("gcc", "c", AS_C),
    ("g++", "c++", AS_CPP),
    ("clang", "c", AS_C),
    ("clang++", "c++", AS_CPP),
];
const AS_C: Sources = [("c99", "header"), ("c17", "header"), ("c11", "abi")];
const AS_CPP: Sources = [("c++17", "header"), ("c++20", "header"), ("c++17", "abi")];

pub fn plain() -> Result<(), Error> {
    tested(Variant::Plain)
}

/// Wrong addresses, use of what was never set, leaks: of the library too.
pub fn under_valgrind() -> Result<(), Error> {
    tools::program("valgrind", "valgrind")?;
    tested(Variant::Valgrind)
}

/// Wrong addresses, leaks and undefined behaviour of what C does; the library itself is as always.
pub fn sanitized() -> Result<(), Error> {
    tested(Variant::Sanitized)
}

fn tested(variant: Variant) -> Result<(), Error> {
    // the package g++ brings gcc and the C library's headers with it
    tools::program("gcc", "g++")?;
    tools::program("g++", "g++")?;
    let toolchain = Toolchain::new(variant)?;
    let symbols = elf::exported(&toolchain.library)?;
    toolchain.build_support()?;
    // starts other programs with an emulator; it is no test itself
    output(&mut toolchain.compile_test("with_emulator"))?;
    let mut faults = Vec::new();
    let programs = PROGRAMS
        .iter()
        .filter(|name| **name != FORK || variant != Variant::Valgrind);
    let mut jobs: Vec<Job> = programs.map(|name| toolchain.job(name, &symbols)).collect();
    if variant == Variant::Plain {
        faults.extend(abi::faults(&symbols)?);
        jobs.push(toolchain.job("version", &symbols));
        jobs.push(toolchain.sample());
        jobs.extend(toolchain.headers());
    }
    faults.extend(jobs::all(jobs));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; ").into())
    }
}

/// The compiler settings and the files that the programs are built and run with.
struct Toolchain {
    variant: Variant,
    /// Where the library is installed.
    prefix: PathBuf,
    library: PathBuf,
    /// The command line, whose emulator the programs start.
    imtag: PathBuf,
    /// Where programs are built.
    folder: PathBuf,
    /// What all tests share, compiled.
    support: PathBuf,
}

impl Toolchain {
    fn new(variant: Variant) -> Result<Toolchain, Error> {
        let prefix = build::tree()?;
        let name = match variant {
            Variant::Plain => "plain",
            Variant::Valgrind => "valgrind",
            Variant::Sanitized => "sanitized",
        };
        let folder = prefix.with_file_name("c").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Toolchain {
            variant,
            library: prefix.join("lib").join("libimtag.so"),
            prefix,
            imtag: build::imtag()?,
            support: folder.join("support.o"),
            folder,
        })
    }

    /// Compiles what all tests share.
    fn build_support(&self) -> Result<(), Error> {
        let sources = sources(&root().join("tests/c/support"), "c")?;
        // one object of all, without the library: its archive would become a part of it
        let mut gcc = self.compiler("gcc");
        gcc.args(["-std=gnu11", "-r", "-nostdlib"]).args(sources);
        output(gcc.arg("-o").arg(&self.support))?;
        Ok(())
    }

    /// A compiler with what all programs are compiled with.
    fn compiler(&self, compiler: &str) -> Command {
        let mut command = Command::new(compiler);
        command.current_dir(root().join("tests/c"));
        command.args(WARNINGS).arg("-g");
        if self.variant == Variant::Sanitized {
            command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        }
        command.arg(format!("-I{}", self.prefix.join("include").display()));
        command
    }

    /// Compiles one program of tests/c with `compiler`, and what it needs of others.
    fn compile(&self, compiler: &str, arguments: &[&str], to: &str) -> Command {
        let mut command = self.compiler(compiler);
        let lib = self.prefix.join("lib");
        command
            .args(arguments)
            .arg("-o")
            .arg(self.folder.join(to))
            .arg(format!("-L{}", lib.display()))
            .arg(format!("-Wl,-rpath,{}", lib.display()))
            .args(["-limtag", "-pthread", "-ldl"]);
        command
    }

    /// A test with all that tests share.
    fn compile_test(&self, name: &str) -> Command {
        let source = format!("{name}.c");
        let support = self.support.display().to_string();
        self.compile("gcc", &["-std=gnu11", &source, &support], name)
    }

    /// A program, under valgrind if it is to be.
    fn start(&self, name: &str) -> Command {
        let program = self.folder.join(name);
        let mut command = if self.variant == Variant::Valgrind {
            let mut command = Command::new("valgrind");
            let suppressions = root().join("tests/c/valgrind.supp");
            command
                .args(["--quiet", "--leak-check=full", "--fair-sched=try"])
                .args(["--show-leak-kinds=definite,possible"])
                .args(["--errors-for-leak-kinds=definite,possible"])
                .args(["--error-exitcode=99"])
                .arg(format!("--suppressions={}", suppressions.display()))
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env("IMTAG_BIN", &self.imtag);
        command
    }

    /// `program`, in the environment that a user of the emulator has.
    fn with_emulator(&self, program: &Command) -> Command {
        let mut command = Command::new(self.folder.join("with_emulator"));
        command
            .env("IMTAG_BIN", &self.imtag)
            .arg(program.get_program())
            .args(program.get_args());
        command
    }

    /// A program of tests/c, to be built and run.
    fn job(&self, name: &'static str, symbols: &[String]) -> Job {
        let mut run = self.start(name);
        let build = match name {
            // it opens the library by itself, so it is not linked with it, nor with what is
            "unload" => {
                let arguments = ["-std=gnu11", "-Wl,--as-needed", "unload.c"];
                let command = self.compile("gcc", &arguments, name);
                run.arg(&self.library);
                run = self.with_emulator(&run);
                command
            }
            "nulls" => {
                run.args(symbols);
                self.compile_test(name)
            }
            "version" => {
                run.arg(env!("CARGO_PKG_VERSION"));
                self.compile_test(name)
            }
            _ => self.compile_test(name),
        };
        Job::new(name, build, run)
    }

    /// The sample of the service's page, as a reader of the README builds it.
    fn sample(&self) -> Job {
        let build = self.compile("gcc", &["-std=c99", "-O2", "sample.c"], "sample");
        let run = self.with_emulator(&self.start("sample"));
        Job::new("sample", build, run).that_prints("2 users tagged\n")
    }

    fn headers(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (compiler, language, sources) in COMPILERS {
            if output(Command::new(compiler).arg("--version")).is_err() {
                continue;
            }
            for (standard, source) in sources {
                let name = format!("{source}-{compiler}-{standard}");
                let (standard, source) = (format!("-std={standard}"), format!("{source}.c"));
                let arguments = [&standard, "-x", language, &source, "-x", "none"];
                let build = self.compile(compiler, &arguments, &name);
                let run = self.start(&name);
                jobs.push(Job::new(name, build, run));
            }
        }
        jobs
    }
}

/// The files in a folder whose names end so.
pub fn sources(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let mut sources = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == ending) {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_in_c_is_run() {
        let others = ["abi", "header", "sample", "version", "with_emulator"];
        for path in sources(&root().join("tests/c"), "c").unwrap() {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let is_listed = PROGRAMS.contains(&name) || others.contains(&name);
            assert!(is_listed, "tests/c/{name}.c is in no list of this file");
        }
    }
}
