//! What the checks need beside Rust: looked for first, installed where it is missing, safe to repeat. An error says
//! in a sentence why it cannot be had.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo::cargo;

/// A component of the Rust toolchain, which brings the cargo command of another name.
pub(super) fn component(name: &str, command: &str) -> Result<(), String> {
    if succeeds(&mut cargo([command, "--version"])) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    install(rustup.args(["component", "add", name]))
        .map_err(|why| format!("{name} is not installed, and {why}"))
}

/// strace, which must also be allowed to trace.
pub(super) fn strace() -> Result<(), String> {
    if cfg!(not(target_os = "linux")) {
        return Err("it is for Linux only".to_owned());
    }
    if !succeeds(Command::new("strace").arg("--version")) {
        debian_package("strace")?;
    }
    let mut tracing = Command::new("strace");
    if succeeds(tracing.args(["--output", "/dev/null", "true"])) {
        Ok(())
    } else {
        Err("it is installed, but this machine does not let it trace a process".to_owned())
    }
}

/// A compiler for C++, CMake, GoogleTest, and JSON for the conformance runner.
pub(crate) fn cpp() -> Result<(), String> {
    program("g++", "g++")?;
    program("cmake", "cmake")?;
    for (header, package) in [
        ("gtest/gtest.h", "libgtest-dev"),
        ("nlohmann/json.hpp", "nlohmann-json3-dev"),
    ] {
        let mut compiler = Command::new("g++");
        if !succeeds(compiler.args(["-E", "-x", "c++", "-include", header, "/dev/null"])) {
            debian_package(package).map_err(|why| format!("{package}: {why}"))?;
        }
    }
    Ok(())
}

/// Python from 3.9 on, with what makes virtual environments.
pub(crate) fn python() -> Result<(), String> {
    let can = |what: &str| succeeds(Command::new("python3").args(["-c", what]));
    if !can("") {
        debian_package("python3").map_err(|why| format!("python3: {why}"))?;
    }
    if !can("import sys; sys.exit(sys.version_info < (3, 9))") {
        return Err("python3 is older than 3.9".to_owned());
    }
    if !can("import ensurepip, venv") {
        debian_package("python3-venv").map_err(|why| format!("python3-venv: {why}"))?;
    }
    Ok(())
}

/// The oldest Go that the binding is for, as its go.mod says.
const GO: (u32, u32) = (1, 22);

/// Go, a compiler for what is C in it, and what tells it where the library lies.
pub(crate) fn go() -> Result<(), String> {
    program("gcc", "gcc")?;
    program("pkg-config", "pkg-config")?;
    any_go()?;
    let says = Command::new("go").arg("version").output();
    let says = says.map_err(|error| format!("go: it cannot be started: {error}"))?;
    match go_version(&String::from_utf8_lossy(&says.stdout)) {
        Some(version) if version >= GO => Ok(()),
        Some((major, minor)) => Err(format!(
            "go: {major}.{minor} is installed, and {}.{} or later is needed",
            GO.0, GO.1
        )),
        None => Err("go: it does not say its version".to_owned()),
    }
}

/// Go of any version.
pub(super) fn any_go() -> Result<(), String> {
    if succeeds(Command::new("go").arg("version")) {
        return Ok(());
    }
    debian_package("golang-go").map_err(|why| format!("go: {why}"))
}

/// Java with its compiler, which a runtime alone has not.
pub(super) fn java() -> Result<(), String> {
    ["java", "javac", "keytool"].iter().try_for_each(|name| {
        if succeeds(Command::new(name).arg("-help")) {
            return Ok(());
        }
        debian_package("default-jdk-headless").map_err(|why| format!("{name}: {why}"))
    })
}

/// PHP with its curl.
pub(super) fn php() -> Result<(), String> {
    program("php", "php-cli")?;
    let mut php = Command::new("php");
    if succeeds(php.args(["-r", "exit(function_exists('curl_init') ? 0 : 1);"])) {
        return Ok(());
    }
    debian_package("php-curl").map_err(|why| format!("php's curl: {why}"))
}

/// Of `go version go1.26.8 linux/amd64`; of one that is built from its sources there is none.
fn go_version(says: &str) -> Option<(u32, u32)> {
    let version = says.split(' ').nth(2)?.strip_prefix("go")?;
    let mut numbers = version.split(|it: char| !it.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

/// A header of C, which a package of Debian brings.
pub(crate) fn c_header(header: &str, package: &str) -> Result<(), String> {
    let mut compiler = Command::new("gcc");
    if succeeds(compiler.args(["-E", "-x", "c", "-include", header, "/dev/null"])) {
        return Ok(());
    }
    debian_package(package).map_err(|why| format!("{package}: {why}"))
}

/// A program, which a package of Debian brings.
pub(crate) fn program(name: &str, package: &str) -> Result<(), String> {
    if succeeds(Command::new(name).arg("--version")) {
        return Ok(());
    }
    debian_package(package).map_err(|why| format!("{name}: {why}"))
}

fn debian_package(name: &str) -> Result<(), String> {
    if !Path::new("/etc/debian_version").exists() {
        return Err("it is not installed; install it with the system's package manager".to_owned());
    }
    if !is_root() {
        return Err(format!(
            "it is not installed; run `sudo apt-get install {name}`"
        ));
    }
    let of_name = |why| format!("it is not installed, and {why}");
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    install(apt().args(["update", "--quiet"])).map_err(of_name)?;
    install(apt().args([
        "install",
        "--quiet",
        "--yes",
        "--no-install-recommends",
        name,
    ]))
    .map_err(of_name)
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output();
    user.is_ok_and(|user| user.stdout.trim_ascii() == b"0")
}

/// Whether a command can be started and succeeds; what it prints is dropped.
pub(super) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs an installer, whose output goes to the terminal.
fn install(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).status() {
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
        assert!(
            missing.starts_with("no-such-installer, which would install it, cannot be started: ")
        );
        let failing = install(&mut Command::new("false")).unwrap_err();
        assert!(
            failing.starts_with("false failed to install it (exit"),
            "{failing}"
        );
    }

    #[test]
    fn a_command_that_cannot_be_started_does_not_succeed() {
        assert!(!succeeds(&mut Command::new("no-such-command")));
        assert!(succeeds(&mut cargo(["--version"])));
    }

    #[test]
    fn the_version_of_go_is_read_from_what_it_says() {
        assert_eq!(go_version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(go_version("go version go1.22 linux/amd64"), Some((1, 22)));
        assert_eq!(
            go_version("go version go1.27rc1 linux/amd64"),
            Some((1, 27))
        );
        assert_eq!(go_version(""), None);
    }

    #[test]
    fn go_is_as_old_as_the_binding_says() {
        let module = crate::cargo::root().join("bindings/go/go.mod");
        let module = std::fs::read_to_string(module).unwrap();
        let (major, minor) = GO;
        assert!(module.contains(&format!("\ngo {major}.{minor}\n")));
    }
}
