//! What the checks inherit, decided here for all of them. `cargo xtask test` starts itself anew with what it should
//! have: the variables that find and fetch tools and no others, one locale, time zone and umask, no signal ignored or
//! blocked, no terminal to read from, and the usual number of open files.
//!
//! A shell starts a background job with SIGINT ignored, and `nohup` ignores SIGHUP. Each program that is started hands
//! that on, and Ctrl-C can be tested in none. A user who starts the checks so does not want a terminal to end them, so they
//! then leave its session, with a process group of their own. Where there is no terminal, as on a machine that only
//! tests, they stay in the group that they were started in: it is what such a machine ends them by.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::SigSet;
use rustix::fs::{Access, Mode, access};
use rustix::process::{Resource, getrlimit, setrlimit, setsid, umask};
use signal_hook::consts::{FORBIDDEN, SIGHUP, SIGINT, SIGQUIT};

use crate::cargo::is_of_this_package;

/// Set in the environment that is made here.
const MADE: &str = "XTASK_TEST_ENVIRONMENT";

/// Set by `--long`, for tests of other languages too.
const LONG: &str = "IMTAG_LONG_TESTS";

/// Variables that stay as they are. PATH, CC and the like decide which programs are used, and HOME and the like where
/// those keep what they build and fetch. Not LD_LIBRARY_PATH: Cargo sets it for this program, to a folder with a
/// libimtag.so in it.
const KEPT: &str = "
    AR CARGO CARGO_BUILD_JOBS CARGO_BUILD_TARGET_DIR CARGO_HOME CARGO_INCREMENTAL CC CI CURL_CA_BUNDLE CXX
    GOCACHE GOMODCACHE GOPATH GOROOT JAVA_HOME LOGNAME NIX_SSL_CERT_FILE NO_COLOR PATH
    PIP_CACHE_DIR PIP_CERT PIP_CLIENT_CERT PIP_CONFIG_FILE PIP_DEFAULT_TIMEOUT PIP_EXTRA_INDEX_URL
    PIP_FIND_LINKS PIP_INDEX_URL PIP_PROXY PIP_RETRIES PIP_TIMEOUT PIP_TRUSTED_HOST
    REQUESTS_CA_BUNDLE RUSTC RUSTDOC RUST_BACKTRACE SSL_CERT_DIR SSL_CERT_FILE TERM USER XDG_CACHE_HOME";

/// What such variables begin with.
const KEPT_PREFIXES: &str = "
    AR_ CARGO_HTTP_ CARGO_NET_ CARGO_PROFILE_ CARGO_REGISTRIES_ CARGO_REGISTRY_ CARGO_SOURCE_ CARGO_TARGET_
    CARGO_TERM_ CC_ CXX_ PYENV_ RUSTUP_";

/// What others of such variables end with: flags change what is built, and with it what is tested.
const FLAGS: &str = "FLAGS";

/// Packages may come through a proxy; what the tests start is on this machine.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];
const WITHOUT_PROXY: &str = "127.0.0.1,localhost,::1";

/// As most systems have it: a test that needs more would fail on those.
const OPEN_FILES: u64 = 1024;

/// True if this process has the environment that is made here.
pub fn is_made() -> bool {
    std::env::var_os(MADE).is_some()
}

/// Starts this program anew in its place, by the same words; why that cannot be done.
pub fn enter(long: bool) -> std::io::Error {
    let ignores = is_ignored(SIGINT) || is_ignored(SIGQUIT) || is_ignored(SIGHUP);
    let has_terminal = fs::File::open("/dev/tty").is_ok();
    if ignores && has_terminal {
        let _ = setsid(); // the leader of a group cannot, and is in none that a terminal would signal
    }
    SigSet::all().thread_unblock().expect("the set is valid");
    // what a program handles is no longer ignored in the one that takes its place
    for signal in (1..=64).filter(|signal| !FORBIDDEN.contains(signal)) {
        let _ = signal_hook::flag::register(signal, Arc::default()); // not all systems have all
    }
    umask(Mode::WGRP | Mode::WOTH);
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES));
    let _ = setrlimit(Resource::Nofile, limit);
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let inherited: Vec<_> = std::env::vars_os().collect();
    println!("not handed on: {}", dropped(&inherited).join(" "));
    // TARGET/debug/xtask
    let target = program.ancestors().nth(2).unwrap_or(&program);
    let variables = variables(&inherited, home_of_the_user(), &target.join("home"));
    Command::new(&program)
        .args(std::env::args_os().skip(1))
        .env_clear()
        .envs(variables)
        .envs(long.then_some((LONG, "1")))
        .stdin(Stdio::null())
        .exec()
}

fn is_kept(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let mut prefixes = KEPT_PREFIXES.split_whitespace();
    let mut begins = || prefixes.any(|prefix| name.starts_with(prefix));
    KEPT.split_whitespace().any(|kept| kept == name)
        || PROXIES.contains(&name.to_lowercase().as_str())
        || (begins() && !name.ends_with(FLAGS))
}

/// The names of what is not handed on as it is, except what Cargo says of this package.
fn dropped(inherited: &[(OsString, OsString)]) -> Vec<String> {
    let names = inherited.iter().map(|(name, _)| name);
    let names = names.filter(|name| !is_kept(name) && !is_of_this_package(name));
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let made = ["HOME", "TMPDIR", "NO_PROXY", "no_proxy"];
    let mut names: Vec<_> = names.filter(|name| !made.contains(&&**name)).collect();
    names.sort();
    names
}

/// What is inherited, made into what the checks have. A home that no file can be put into, as of a user that the
/// system does not know, is replaced: Go and pip keep what they fetch there.
fn variables(
    inherited: &[(OsString, OsString)],
    home_of_the_user: Option<PathBuf>,
    other_home: &Path,
) -> Vec<(OsString, OsString)> {
    let given = |name: &str| {
        let found = inherited.iter().find(|(it, _)| it == name)?;
        Some(found.1.clone()).filter(|value| !value.is_empty())
    };
    let kept = inherited.iter().filter(|(name, _)| is_kept(name));
    let mut variables: Vec<(OsString, OsString)> = kept.cloned().collect();
    let mut add = |name: &str, value: OsString| variables.push((name.into(), value));
    add(MADE, "1".into());
    add("LC_ALL", "C.UTF-8".into());
    add("TZ", "UTC".into());
    for name in ["NO_PROXY", "no_proxy"] {
        let mut hosts = OsString::from(WITHOUT_PROXY);
        if let Some(others) = given(name) {
            hosts.push(",");
            hosts.push(others);
        }
        add(name, hosts);
    }
    let homes = given("HOME").map(PathBuf::from).into_iter();
    let mut homes = homes.chain(home_of_the_user);
    let takes_files = |home: &PathBuf| home.is_dir() && access(home, Access::WRITE_OK).is_ok();
    let home = homes.find(|home| home.is_absolute() && takes_files(home));
    add("HOME", home.unwrap_or_else(|| other_home.to_owned()).into());
    let temporary = given("TMPDIR").and_then(|folder| std::path::absolute(folder).ok());
    if let Some(folder) = temporary.filter(|folder| folder.is_dir()) {
        add("TMPDIR", folder.into());
    }
    variables
}

/// HOME, or what the system has where that is not set; nothing for a user that it does not know.
#[allow(deprecated)] // until Rust 1.87, for what it did on Windows
fn home_of_the_user() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home != Path::new(""))
}

/// True if this process was started with a signal ignored. Only Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status).is_some_and(|signals| signals >> (signal - 1) & 1 == 1)
}

/// The signals that a process ignores, a bit each, of its `/proc/PID/status`.
fn ignored(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(line?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn inherited(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        let variables = variables.iter();
        variables
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    /// What is made of variables, for a user whose home the system has, or not.
    fn made(given: &[(&str, &str)], home: Option<&str>) -> HashMap<String, String> {
        let home = home.map(PathBuf::from);
        let made = variables(&inherited(given), home, Path::new("/target/home")).into_iter();
        let text = |it: OsString| it.into_string().unwrap();
        made.map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn what_finds_and_fetches_tools_is_handed_on_and_what_changes_a_build_or_a_test_is_not() {
        let kept = "AR CARGO_BUILD_TARGET_DIR CARGO_TARGET_DIR CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER CC
            CC_x86_64-unknown-linux-gnu CXX GOCACHE HTTPS_PROXY http_proxy JAVA_HOME PATH PIP_INDEX_URL RUST_BACKTRACE";
        let dropped = "CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS CARGO_PKG_NAME
            CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS CFLAGS CGO_LDFLAGS CLICOLOR_FORCE COLUMNS GOFLAGS
            IMTAG_ENDPOINT LANG LC_MESSAGES LD_LIBRARY_PATH LDFLAGS MAKEFLAGS PIP_CONSTRAINT PIP_TARGET PKG_CONFIG_PATH
            PYTEST_ADDOPTS PYTHONPATH PYTHONWARNINGS RUST_TEST_THREADS RUSTFLAGS RUSTUP VALGRIND_OPTS";
        for (names, is_kept) in [(kept, true), (dropped, false)] {
            for name in names.split_whitespace() {
                let made = made(&[(name, "x")], None);
                assert_eq!(
                    made.get(name).is_some_and(|it| it == "x"),
                    is_kept,
                    "{name}"
                );
                assert_eq!((&*made["LC_ALL"], &*made["TZ"]), ("C.UTF-8", "UTC"));
            }
        }
    }

    #[test]
    fn what_is_on_this_machine_is_reached_without_a_proxy() {
        let made = made(
            &[("ALL_PROXY", "http://proxy:1"), ("no_proxy", "mirror")],
            None,
        );
        assert_eq!(made["no_proxy"], "127.0.0.1,localhost,::1,mirror");
        assert_eq!(made["NO_PROXY"], "127.0.0.1,localhost,::1");
    }

    #[test]
    fn what_is_not_handed_on_is_named_without_its_value() {
        let given = [
            ("LD_LIBRARY_PATH", "/opt/lib"),
            ("CFLAGS", "-O3"),
            ("CARGO_PKG_NAME", "xtask"),
            ("HOME", "/"),
            ("PATH", "/bin"),
            ("TOKEN", "hidden"),
        ];
        let names = dropped(&inherited(&given));
        assert_eq!(names, ["CFLAGS", "LD_LIBRARY_PATH", "TOKEN"]);
    }

    #[test]
    fn there_is_always_a_home_that_takes_files_also_for_a_user_in_no_passwd() {
        let folder = std::env::temp_dir().into_os_string().into_string().unwrap();
        let folder = folder.as_str();
        for (home, of_the_user, expected) in [
            (None, None, "/target/home"),
            (Some(""), None, "/target/home"),
            (Some("/no/such"), None, "/target/home"),
            (None, Some("/nonexistent"), "/target/home"),
            (None, Some(folder), folder),
            (Some(folder), Some("/nonexistent"), folder),
            (Some("/no/such"), Some(folder), folder),
        ] {
            let given = Vec::from_iter(home.map(|home| ("HOME", home)));
            let made = made(&given, of_the_user);
            assert_eq!(made["HOME"], expected, "{home:?} {of_the_user:?}");
        }
    }

    #[test]
    fn a_temporary_folder_that_is_not_there_is_not_handed_on() {
        assert_eq!(made(&[("TMPDIR", "/no/such")], None).get("TMPDIR"), None);
        assert_eq!(made(&[("TMPDIR", "/")], None)["TMPDIR"], "/");
    }

    #[test]
    fn an_ignored_signal_is_read_from_what_linux_says() {
        let status = "Name:\tx\nSigIgn:\t0000000000001006\nSigCgt:\t01\n";
        assert_eq!(ignored(status), Some(0x1006));
        assert_eq!(ignored("Name:\tx\n"), None);
    }
}
