//! What the checks need beside Rust: looked for first, safe to repeat. `cargo xtask test` installs what is missing; any other
//! task, such as a benchmark, only looks. What is not there is [`Missing`], with the reason.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cargo::cargo;
use crate::error::Error;
use crate::program::Missing;

/// True in a task that is told to install what this machine lacks.
static INSTALLS: AtomicBool = AtomicBool::new(false);

/// From now on, what is missing is installed: only the checks can say so.
pub(crate) fn install_what_is_missing() {
    INSTALLS.store(true, Ordering::Relaxed);
}

/// A component of the Rust toolchain, which brings the cargo command of another name.
pub fn component(name: &str, command: &str) -> Result<(), Error> {
    if succeeds(&mut cargo([command, "--version"])) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    let installed = install(rustup.args(["component", "add", name]));
    Ok(installed.map_err(|why| Missing(format!("{name} is not installed, and {why}")))?)
}

/// strace, which must also be allowed to trace: the client's system calls are counted by it.
pub fn strace() -> Result<(), Error> {
    if cfg!(not(target_os = "linux")) {
        return Err(Missing("it is for Linux only".to_owned()).into());
    }
    program("strace", "strace")?;
    let mut tracing = Command::new("strace");
    if succeeds(tracing.args(["--output", "/dev/null", "true"])) {
        return Ok(());
    }
    let why = "it is installed, but this machine does not let it trace a process";
    Err(Missing(why.to_owned()).into())
}

/// Compilers for C and C++.
pub fn c() -> Result<(), Error> {
    // the package g++ brings gcc and the C library's headers with it
    programs(&[("gcc", "g++"), ("g++", "g++")])
}

/// A compiler for C++, CMake, GoogleTest, and JSON for the conformance runner.
pub fn cpp() -> Result<(), Error> {
    programs(&[("g++", "g++"), ("cmake", "cmake")])?;
    header("g++", "c++", "gtest/gtest.h", "libgtest-dev")?;
    header("g++", "c++", "nlohmann/json.hpp", "nlohmann-json3-dev")
}

/// Python from 3.9 on, with what makes virtual environments.
pub fn python() -> Result<(), Error> {
    let has = |code: &str, package: &str| {
        let mut python = Command::new("python3");
        need(package, python.args(["-c", code]), package)
    };
    has("", "python3")?;
    let mut python = Command::new("python3");
    let is_new_enough = "import sys; sys.exit(sys.version_info < (3, 9))";
    if !succeeds(python.args(["-c", is_new_enough])) {
        return Err(Missing("python3 is older than 3.9".to_owned()).into());
    }
    has("import ensurepip, venv", "python3-venv")
}

/// The oldest Go that the binding is for, as its go.mod says.
const GO: (u32, u32) = (1, 22);

/// Go, a compiler for what is C in it, and what tells it where the library lies.
pub fn go() -> Result<(), Error> {
    programs(&[("gcc", "gcc"), ("pkg-config", "pkg-config")])?;
    any_go()?;
    let says = Command::new("go").arg("version").output();
    let says = says.map_err(|error| format!("go cannot be started: {error}"))?;
    let why = match go_version(&String::from_utf8_lossy(&says.stdout)) {
        Some(version) if version >= GO => return Ok(()),
        Some((major, minor)) => format!(
            "go: {major}.{minor} is installed, and {}.{} or later is needed",
            GO.0, GO.1
        ),
        None => "go: it does not say its version".to_owned(),
    };
    Err(Missing(why).into())
}

/// Go of any version.
pub fn any_go() -> Result<(), Error> {
    need("go", Command::new("go").arg("version"), "golang-go")
}

/// Java with its compiler, which a runtime alone has not.
pub fn java() -> Result<(), Error> {
    ["java", "javac", "keytool"].iter().try_for_each(|name| {
        let mut program = Command::new(name);
        need(name, program.arg("-help"), "default-jdk-headless")
    })
}

/// PHP with its curl.
pub fn php() -> Result<(), Error> {
    program("php", "php-cli")?;
    let has_curl = ["-r", "exit(function_exists('curl_init') ? 0 : 1);"];
    need("php's curl", Command::new("php").args(has_curl), "php-curl")
}

/// Of `go version go1.26.8 linux/amd64`; of one that is built from its sources there is none.
fn go_version(says: &str) -> Option<(u32, u32)> {
    let version = says.split(' ').nth(2)?.strip_prefix("go")?;
    let mut numbers = version.split(|it: char| !it.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

/// A header of C, which a package of Debian brings.
pub fn c_header(name: &str, package: &str) -> Result<(), Error> {
    header("gcc", "c", name, package)
}

fn header(compiler: &str, language: &str, name: &str, package: &str) -> Result<(), Error> {
    let preprocess = ["-E", "-x", language, "-include", name, "/dev/null"];
    need(package, Command::new(compiler).args(preprocess), package)
}

/// A program, which a package of Debian brings.
pub fn program(name: &str, package: &str) -> Result<(), Error> {
    need(name, Command::new(name).arg("--version"), package)
}

/// Programs, each with its package.
pub fn programs(programs: &[(&str, &str)]) -> Result<(), Error> {
    let mut programs = programs.iter();
    programs.try_for_each(|(name, package)| program(name, package))
}

/// Installs a package of Debian where `probe` fails, if this task installs.
fn need(name: &str, probe: &mut Command, package: &str) -> Result<(), Error> {
    if succeeds(probe) {
        return Ok(());
    }
    Ok(debian_package(package).map_err(|why| Missing(format!("{name}: {why}")))?)
}

fn debian_package(name: &str) -> Result<(), String> {
    if !Path::new("/etc/debian_version").exists() {
        return Err("it is not installed; install it with the system's package manager".to_owned());
    }
    if !INSTALLS.load(Ordering::Relaxed) || !rustix::process::geteuid().is_root() {
        return Err(format!(
            "it is not installed; run `sudo apt-get install {name}`"
        ));
    }
    let update = ["update", "--quiet"].as_slice();
    let install_it = [
        "install",
        "--quiet",
        "--yes",
        "--no-install-recommends",
        name,
    ];
    for arguments in [update, &install_it] {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        install(apt.args(arguments)).map_err(|why| format!("it is not installed, and {why}"))?;
    }
    Ok(())
}

/// True if a command can be started and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = quiet.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Runs an installer. All that it prints goes to standard error, as a task may print what a program reads.
fn install(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let command = command.stdin(Stdio::null()).stdout(io::stderr());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} failed to install it ({status})")),
        Err(error) => Err(format!(
            "{program}, which would install it, cannot be started: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_that_is_missing_or_fails_is_named() {
        let missing = install(&mut Command::new("no-such-installer")).unwrap_err();
        let expected = "no-such-installer, which would install it, cannot be started: ";
        assert!(missing.starts_with(expected), "{missing}");
        let failing = install(&mut Command::new("false")).unwrap_err();
        assert_eq!(failing, "false failed to install it (exit status: 1)");
    }

    #[test]
    fn a_task_that_is_not_told_to_install_names_what_is_missing() {
        let missing = need(
            "go",
            &mut Command::new("no-such-command"),
            "no-such-package",
        );
        let why = missing.unwrap_err().to_string();
        assert!(why.starts_with("go: it is not installed; "), "{why}");
    }

    #[test]
    fn a_command_that_cannot_be_started_does_not_succeed() {
        assert!(!succeeds(&mut Command::new("no-such-command")));
        assert!(succeeds(&mut cargo(["--version"])));
    }

    #[test]
    fn the_version_of_go_is_read_from_what_it_says() {
        for (says, version) in [
            ("go version go1.26.8 linux/amd64", Some((1, 26))),
            ("go version go1.22 linux/amd64", Some((1, 22))),
            ("go version go1.27rc1 linux/amd64", Some((1, 27))),
            ("", None),
        ] {
            assert_eq!(go_version(says), version, "{says}");
        }
    }

    #[test]
    fn go_is_as_old_as_the_binding_says() {
        let module = crate::cargo::root().join("bindings/go/go.mod");
        let module = std::fs::read_to_string(module).unwrap();
        let (major, minor) = GO;
        assert!(module.contains(&format!("\ngo {major}.{minor}\n")));
    }
}
