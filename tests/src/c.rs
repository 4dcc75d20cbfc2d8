//! C: the tests of the interface as programs in C use it, plain, under valgrind, and compiled with sanitizers; the
//! header as C and C++ of each standard that counts, and the recorded interface with it. The library is an installed one.
//!
//! What each program holds stands at its head, in tests/c.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use crate::cargo::root;
use crate::error::Error;
use crate::log::Log;
use crate::parallel::{in_parallel, once};
use crate::program::output;
use crate::{abi, build, elf, tools};

/// What a compiler of ours has to say nothing of.
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const VALGRIND: [&str; 7] = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--fair-sched=try",
    "--show-leak-kinds=definite,possible",
    "--errors-for-leak-kinds=definite,possible",
    "--error-exitcode=99",
];

/// The program that valgrind can say nothing of: a forked child leaks what is its parent's, as it should.
const FORK: &str = "fork";

/// The programs of tests/c, the longest first, as they run side by side.
const PROGRAMS: [&str; 19] = [
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
    "from_env",
    "logs",
    "figures",
];

/// What is built like these, and run once or to start the others.
const OTHERS: [&str; 3] = ["version", "sample", "with_emulator"];

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

/// All programs, what a reader of the README builds, and the headers.
pub fn plain(log: &Log) -> Result<(), Error> {
    let programs = Programs::plain()?;
    let unrecorded = abi::faults(&elf::exported(&programs.library())?)?;
    let mut runs: Vec<&str> = PROGRAMS.to_vec();
    runs.extend(["version", "sample"]);
    let failed = [programs.run(&runs, &[], log), headers(log)?].concat();
    none([unrecorded, failed].concat())
}

/// Wrong addresses, use of what was never set, leaks: of the library too.
pub fn under_valgrind(log: &Log) -> Result<(), Error> {
    let runs: Vec<&str> = PROGRAMS.into_iter().filter(|it| *it != FORK).collect();
    let suppressions = root().join("tests/c/valgrind.supp");
    let suppressions = format!("--suppressions={}", suppressions.display());
    let valgrind = [&VALGRIND[..], &[&suppressions]].concat();
    none(Programs::plain()?.run(&runs, &valgrind, log))
}

/// Wrong addresses, leaks and undefined behaviour of what C does; the library itself is as always.
pub fn sanitized(log: &Log) -> Result<(), Error> {
    let programs = Programs::build("sanitized", &SANITIZERS)?;
    none(programs.run(&PROGRAMS, &[], log))
}

fn none(faults: Vec<String>) -> Result<(), Error> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; ").into())
    }
}

/// The programs of tests/c, built.
struct Programs {
    folder: PathBuf,
    prefix: PathBuf,
}

impl Programs {
    /// As they are: built once, however many checks run them.
    fn plain() -> Result<&'static Programs, Error> {
        static PLAIN: OnceLock<Result<Programs, String>> = OnceLock::new();
        once(&PLAIN, || Programs::build("plain", &[]))
    }

    fn build(name: &str, flags: &[&str]) -> Result<Programs, Error> {
        let prefix = build::tree()?;
        let folder = prefix.with_file_name("c").join(name);
        fs::create_dir_all(&folder)?;
        let programs = Programs { folder, prefix };
        // one object of what all share, without the library: its archive would become a part of it
        let support = programs.folder.join("support.o");
        let mut gcc = compiler("gcc", &programs.prefix);
        gcc.args(flags)
            .args(["-std=gnu11", "-r", "-nostdlib", "-o"]);
        gcc.arg(&support);
        output(gcc.args(sources(&root().join("tests/c/support"), "c")?))?;
        let built = in_parallel([&PROGRAMS[..], &OTHERS].concat(), |name| {
            let mut gcc = compiler("gcc", &programs.prefix);
            gcc.args(flags).arg(format!("{name}.c"));
            match name {
                // it opens the library by itself, so it is not linked with it, nor with what is
                "unload" => gcc.args(["-std=gnu11", "-Wl,--as-needed"]),
                // as a reader of the README builds it
                "sample" => gcc.args(["-std=c99", "-O2"]),
                _ => gcc.arg("-std=gnu11").arg(&support),
            };
            gcc.arg("-o").arg(programs.folder.join(name));
            output(gcc.args(link_flags(&programs.prefix))).map(drop)
        });
        built.into_iter().collect::<Result<(), Error>>()?;
        Ok(programs)
    }

    fn library(&self) -> PathBuf {
        self.prefix.join("lib/libimtag.so")
    }

    /// Runs programs side by side, as most of them wait most of the time, by another program where one is named: what
    /// went wrong, by their names.
    fn run(&self, names: &[&'static str], by: &[&str], log: &Log) -> Vec<String> {
        let names = names.iter().map(|&name| (name.to_owned(), name));
        judged(names.collect(), log, |name| {
            let program = self.folder.join(name);
            let mut words: Vec<String> = by.iter().map(|&word| word.to_owned()).collect();
            words.push(program.display().to_string());
            match *name {
                "unload" => words.push(self.library().display().to_string()),
                "version" => words.push(env!("CARGO_PKG_VERSION").to_owned()),
                "nulls" => words.extend(elf::exported(&self.library())?),
                _ => {}
            }
            if ["unload", "sample"].contains(name) {
                // in the environment that a user of the emulator has
                words.insert(0, self.folder.join("with_emulator").display().to_string());
            }
            let printed = log.output(
                Command::new(&words[0])
                    .args(&words[1..])
                    .env("IMTAG_BIN", build::imtag()?),
            )?;
            if *name == "sample" && printed != "2 users tagged\n" {
                return Err(format!("it printed {printed:?}").into());
            }
            Ok(())
        })
    }
}

/// The header and the record, compiled and run in each standard.
fn headers(log: &Log) -> Result<Vec<String>, Error> {
    let prefix = build::tree()?;
    let compilers = COMPILERS
        .into_iter()
        .filter(|(name, _, _)| tools::succeeds(Command::new(name).arg("--version")));
    let each = compilers.flat_map(|(compiler, language, sources)| {
        sources.map(|(standard, source)| {
            let name = format!("{source}-{compiler}-{standard}");
            let program = prefix.with_file_name("c").join(&name);
            (name, (compiler, language, standard, source, program))
        })
    });
    let work = |(by, language, standard, source, program): &(&str, &str, &str, &str, PathBuf)| {
        let mut compiler = compiler(by, &prefix);
        compiler.args([&format!("-std={standard}"), "-x", language]);
        compiler.args([&format!("{source}.c"), "-x", "none", "-o"]);
        output(compiler.arg(program).args(link_flags(&prefix)))?;
        output(&mut Command::new(program)).map(drop)
    };
    Ok(judged(each.collect(), log, work))
}

/// Does something for each of them side by side, with a line a name in the log: what went wrong.
fn judged<T: Send>(
    items: Vec<(String, T)>,
    log: &Log,
    work: impl Fn(&T) -> Result<(), Error> + Sync,
) -> Vec<String> {
    let faults = in_parallel(items, |(name, item)| {
        let start = Instant::now();
        let why = work(&item).err().map(|why| why.to_string());
        let took = start.elapsed().as_secs_f32();
        log.say(&format!(
            "{name}: {} in {took:.1} s",
            why.as_deref().unwrap_or("ok")
        ));
        why.map(|why| format!("{name}: {why}"))
    });
    faults.into_iter().flatten().collect()
}

/// A compiler with what all programs are compiled with.
pub fn compiler(name: &str, prefix: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root().join("tests/c"));
    command.args(WARNINGS).args(["-g", "-I"]);
    command.arg(prefix.join("include"));
    command
}

/// What links a program with the installed library, which it finds by itself.
pub fn link_flags(prefix: &Path) -> Vec<String> {
    let lib = prefix.join("lib").display().to_string();
    let flags = [
        &format!("-L{lib}"),
        &format!("-Wl,-rpath,{lib}"),
        "-limtag",
        "-pthread",
        "-ldl",
    ];
    flags.map(str::to_owned).to_vec()
}

/// The files in a folder whose names end so.
pub fn sources(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
    let mut sources = entries.collect::<Result<Vec<_>, Error>>()?;
    sources.retain(|path| path.extension().is_some_and(|it| it == ending));
    sources.sort();
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_in_c_is_run() {
        let listed = [&PROGRAMS[..], &OTHERS, &["abi", "header"]].concat();
        for path in sources(&root().join("tests/c"), "c").unwrap() {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                listed.contains(&name),
                "tests/c/{name}.c is in no list of this file"
            );
        }
    }

    #[test]
    fn what_fails_is_named_and_does_not_stop_the_others() {
        let log = Log::new("test of C").unwrap();
        let items = ["a", "b", "c"].map(|name| (name.to_owned(), name)).to_vec();
        let faults = judged(items, &log, |name| match *name {
            "b" => Err("no room".into()),
            _ => Ok(()),
        });
        assert_eq!(faults, ["b: no room"]);
    }
}
