//! Go: format, vet, and the tests of the binding with the race detector; again with each check of what passes between Go
//! and C; and a program that has the static library in it. All against the library as it is installed.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{clean, root};
use crate::error::Error;
use crate::log::Log;
use crate::program::output;
use crate::{build, elf, tools};

const BINDING: &str = "bindings/go";
const RUNNER: &str = "tests/conformance/runners/go";
const CLIENTS: &str = "tests/bench/go";

/// A case that needs no server, as it breaks a limit.
const CASE: &str = r#"{"name": "no tags", "settings": {"sdkappid": 1400000000, "identifier": "administrator",
    "usersig": "abc", "region": "china"}, "call": {"operation": "add", "users": [{"account": "u", "tags": []}]}}"#;

/// Neither a module nor another toolchain: the modules here need none. A test that runs `go` hands these on.
pub const FETCHES_NOTHING: [(&str, &str); 3] = [
    ("GOFLAGS", "-mod=readonly"),
    ("GOPROXY", "off"),
    ("GOTOOLCHAIN", "local"),
];

/// Go with what it needs to find the library.
struct Go {
    prefix: PathBuf,
    /// Below the target folder, for what is built here.
    folder: PathBuf,
}

/// Format, vet, tests, races; and every pointer that is handed to C is looked at, in the same run, as each of both builds
/// Go's own library anew.
pub fn tested(log: &Log) -> Result<(), Error> {
    let go = Go::new()?;
    let mut gofmt = Command::new("gofmt");
    clean(&mut gofmt);
    let files = output(gofmt.args(["-l", BINDING, RUNNER, CLIENTS]))?;
    if !files.is_empty() {
        let files = files.trim().replace('\n', ", ");
        return Err(format!("run gofmt -w on: {files}").into());
    }
    for module in [BINDING, RUNNER, CLIENTS] {
        log.run(go.command(module, "vet").arg("./..."))?;
    }
    log.run(go.test()?.arg("./..."))
}

/// The same, with garbage collected before each call into C.
pub fn with_collections(log: &Log) -> Result<(), Error> {
    log.run(Go::new()?.test()?.args(["-tags", "imtag_debug", "./..."]))
}

/// The conformance runner with the library in it starts, answers, and needs no libimtag.so.
pub fn linked_statically(log: &Log) -> Result<(), Error> {
    let go = Go::new()?;
    let program = go.build(RUNNER, "runner-static", &["-tags", "imtag_static"])?;
    let needed = elf::dynamic(&program)?.needed;
    if let Some(needed) = needed.iter().find(|name| name.contains("imtag")) {
        return Err(format!("with imtag_static it still needs {needed}").into());
    }
    let case = go.folder.join("case.json");
    fs::write(&case, CASE)?;
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" < \"$1\""]);
    let answer = log.output(shell.arg(&program).arg(&case))?;
    if answer.contains(r#""problem":"none given, at least 1""#) {
        Ok(())
    } else {
        Err(format!("linked statically, it answers {answer}").into())
    }
}

/// A benchmark of the binding, done so many times, with the library in a folder.
pub fn benchmark(name: &str, times: &str, lib: &Path) -> Result<Command, Error> {
    let mut test = Go::new()?.command(BINDING, "test");
    test.args(["-run", "^$", "-bench", name, "-benchtime", times, "."]);
    test.env("LD_LIBRARY_PATH", lib);
    // the package's tests start an emulator, whichever of them run
    test.env("IMTAG_BIN", build::imtag()?);
    Ok(test)
}

/// The conformance runner, with the shared library as others use it.
pub fn conformance_runner() -> Result<Command, Error> {
    let go = Go::new()?;
    go.program(RUNNER, "runner-shared")
}

/// The clients of `cargo xtask bench call`, with the library that is installed in a folder.
pub fn call_benchmark(prefix: &Path) -> Result<Command, Error> {
    Go::with(prefix.to_owned())?.program(CLIENTS, "clients")
}

impl Go {
    fn new() -> Result<Go, Error> {
        Go::with(build::tree()?)
    }

    fn with(prefix: PathBuf) -> Result<Go, Error> {
        tools::go()?;
        let folder = prefix.with_file_name("go");
        fs::create_dir_all(&folder)?;
        Ok(Go { prefix, folder })
    }

    /// A command of Go's for a module of the repository, whatever workspace the user has.
    fn command(&self, module: &str, task: &str) -> Command {
        let mut command = Command::new("go");
        clean(&mut command);
        command
            .current_dir(root().join(module))
            .arg(task)
            .env("GOWORK", "off")
            .envs(FETCHES_NOTHING)
            .env("CGO_ENABLED", "1")
            .env("CGO_CFLAGS", c_flags(&self.prefix))
            .env("PKG_CONFIG_PATH", self.prefix.join("lib/pkgconfig"));
        self.find_library(&mut command);
        command
    }

    fn find_library(&self, command: &mut Command) {
        command.env("LD_LIBRARY_PATH", self.prefix.join("lib"));
    }

    /// The binding's tests with all that Go can check, never from Go's cache, which knows nothing of the library.
    fn test(&self) -> Result<Command, Error> {
        let mut command = self.command(BINDING, "test");
        command.args(["-race", "-count=1", "-timeout=5m"]);
        command.env("GOEXPERIMENT", "cgocheck2");
        command.env("IMTAG_BIN", build::imtag()?);
        Ok(command)
    }

    /// A program with the shared library as others use it.
    fn program(&self, module: &str, name: &str) -> Result<Command, Error> {
        let mut command = Command::new(self.build(module, name, &[])?);
        self.find_library(&mut command);
        Ok(command)
    }

    /// Linked anew each time, as Go does not see either that the static library has changed.
    fn build(&self, module: &str, name: &str, arguments: &[&str]) -> Result<PathBuf, Error> {
        let program = self.folder.join(name);
        if program.exists() {
            fs::remove_file(&program)?;
        }
        let mut build = self.command(module, "build");
        output(build.args(arguments).arg("-o").arg(&program).arg("."))?;
        Ok(program)
    }
}

/// Go sees neither that a header has changed which lies elsewhere nor that pkg-config names another folder, and would use
/// what it built with the old ones: so the flags, which it does see, change with both.
pub fn c_flags(prefix: &Path) -> String {
    // what is installed is a copy of it
    let header = fs::read(root().join("include/imtag.h"));
    flags(prefix, &header.unwrap_or_default())
}

fn flags(prefix: &Path, header: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    (prefix, header).hash(&mut hasher);
    let usual = std::env::var("CGO_CFLAGS").unwrap_or_else(|_| "-O2 -g".to_owned());
    format!("{usual} -DIMTAG_AS_{:x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_module_needs_another_one_that_is_not_of_the_repository() {
        for module in [BINDING, RUNNER, CLIENTS] {
            let text = fs::read_to_string(root().join(module).join("go.mod")).unwrap();
            let asks = |line: &str| line.contains(" v") && !line.contains("github.com/libimtag/");
            let others: Vec<_> = text.lines().filter(|line| asks(line)).collect();
            assert_eq!(
                others, [""; 0],
                "{module}: lock it in go.sum, and let GOPROXY be"
            );
        }
    }

    #[test]
    fn another_header_or_folder_is_another_flag() {
        let flags = |prefix: &str, header: &str| flags(Path::new(prefix), header.as_bytes());
        assert_eq!(flags("a", "one"), flags("a", "one"));
        assert_ne!(flags("a", "one"), flags("a", "two"));
        assert_ne!(flags("a", "one"), flags("b", "one"));
    }
}
