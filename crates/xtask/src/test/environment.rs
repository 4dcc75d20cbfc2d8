//! What the checks inherit, decided here for all of them. `cargo xtask test` starts itself anew with what it should
//! have: the variables that find and fetch tools and no others, one locale, time zone and umask, no signal ignored or
//! blocked, no terminal to read from, and the usual number of open files.
//!
//! A shell starts a background job with SIGINT ignored, and `nohup` ignores SIGHUP. Each program that is started hands
//! that on, and Ctrl-C can be tested in none. Who started the checks so does not want a terminal to end them, so they
//! then leave its session.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::SigSet;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid, umask};
use signal_hook::consts::{FORBIDDEN, SIGHUP, SIGINT, SIGQUIT};

/// Set in the environment that is made here.
const MADE: &str = "XTASK_TEST_ENVIRONMENT";

/// Variables that stay as they are. PATH decides which programs are used, and HOME and the like where those keep what
/// they have fetched.
const KEPT: &[&str] = &[
    // keep sorted
    "CARGO",
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "CI",
    "CURL_CA_BUNDLE",
    "GOCACHE",
    "GOMODCACHE",
    "GOPATH",
    "GOROOT",
    "LOGNAME",
    "NIX_SSL_CERT_FILE",
    "NO_COLOR",
    "PATH",
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "USER",
    "XDG_CACHE_HOME",
];

/// What such variables begin with.
const KEPT_PREFIXES: [&str; 9] = [
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_PROFILE_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "PYENV_",
    "RUSTUP_",
];

/// Packages may come through a proxy; what the tests start is on this machine.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];
const WITHOUT_PROXY: &str = "127.0.0.1,localhost,::1";

/// As most systems have it: a test that needs more would fail on those.
const OPEN_FILES: u64 = 1024;

/// Whether this process has the environment that is made here.
pub(super) fn is_made() -> bool {
    std::env::var_os(MADE).is_some()
}

/// Starts this program anew in its place; why that cannot be done.
pub(super) fn enter(arguments: &[OsString]) -> std::io::Error {
    if is_ignored(SIGINT) || is_ignored(SIGQUIT) || is_ignored(SIGHUP) {
        let _ = setsid(); // the leader of a group cannot, and is in none that a terminal would signal
    }
    SigSet::all().thread_unblock().expect("the set is valid");
    // what a program handles is no longer ignored in the one that takes its place
    for signal in (1..=64).filter(|signal| !FORBIDDEN.contains(signal)) {
        let _ = signal_hook::flag::register(signal, Arc::default()); // not all systems have all
    }
    umask(Mode::WGRP | Mode::WOTH);
    let limit = getrlimit(Resource::Nofile);
    let current = limit
        .maximum
        .map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(current),
            ..limit
        },
    );
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    Command::new(program)
        .arg("test")
        .args(arguments)
        .env_clear()
        .envs(variables(std::env::vars_os().collect()))
        .stdin(Stdio::null())
        .exec()
}

/// What is inherited, made into what the checks have.
fn variables(inherited: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let given = |name: &str| {
        let found = inherited.iter().find(|(it, _)| it == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let is_kept = |name: &OsStr| {
        let name = name.to_string_lossy();
        KEPT.contains(&&*name)
            || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || PROXIES.contains(&name.to_lowercase().as_str())
    };
    let mut variables: Vec<(OsString, OsString)> = (inherited.iter())
        .filter(|(name, _)| is_kept(name))
        .cloned()
        .collect();
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
    // go has no place for its cache without one
    if let Some(home) = given("HOME").or_else(|| home_of_the_user().map(PathBuf::into_os_string)) {
        add("HOME", home);
    }
    let temporary = given("TMPDIR").and_then(|folder| std::path::absolute(folder).ok());
    if let Some(folder) = temporary.filter(|folder| folder.is_dir()) {
        add("TMPDIR", folder.into());
    }
    variables
}

/// As the system has it, where HOME is not set.
#[allow(deprecated)] // until Rust 1.87, for what it did on Windows
fn home_of_the_user() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home != Path::new(""))
}

/// Whether this process was started with a signal ignored. Only Linux tells.
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
    use super::*;

    fn made_of(inherited: &[(&str, &str)]) -> Vec<(String, String)> {
        let inherited = inherited
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let made = variables(inherited.collect()).into_iter();
        let text = |it: OsString| it.into_string().unwrap();
        made.map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn value(made: &[(String, String)], name: &str) -> Option<String> {
        made.iter()
            .rev()
            .find(|(it, _)| it == name)
            .map(|(_, value)| value.clone())
    }

    #[test]
    fn what_changes_a_build_or_a_test_is_not_handed_on() {
        let names = [
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PKG_NAME",
            "CC",
            "CFLAGS",
            "CGO_LDFLAGS",
            "CLICOLOR_FORCE",
            "COLUMNS",
            "GOFLAGS",
            "IMTAG_ENDPOINT",
            "LANG",
            "LC_MESSAGES",
            "LD_LIBRARY_PATH",
            "LDFLAGS",
            "MAKEFLAGS",
            "PIP_CONSTRAINT",
            "PIP_TARGET",
            "PKG_CONFIG_PATH",
            "PYTEST_ADDOPTS",
            "PYTHONPATH",
            "PYTHONWARNINGS",
            "RUST_TEST_THREADS",
            "RUSTFLAGS",
            "RUSTUP",
            "VALGRIND_OPTS",
        ];
        let made = made_of(&names.map(|name| (name, "x")));
        let handed_on = made.iter().filter(|(_, value)| value == "x");
        assert_eq!(handed_on.map(|(name, _)| name).next(), None);
        assert_eq!(value(&made, "LC_ALL").unwrap(), "C.UTF-8");
        assert_eq!(value(&made, "TZ").unwrap(), "UTC");
    }

    #[test]
    fn what_finds_and_fetches_tools_is_handed_on() {
        for name in [
            "CARGO_TARGET_DIR",
            "GOCACHE",
            "HTTPS_PROXY",
            "http_proxy",
            "PATH",
            "PIP_INDEX_URL",
        ] {
            assert_eq!(
                value(&made_of(&[(name, "x")]), name).unwrap(),
                "x",
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_on_this_machine_is_reached_without_a_proxy() {
        let made = made_of(&[("ALL_PROXY", "http://proxy:1"), ("no_proxy", "mirror")]);
        assert_eq!(
            value(&made, "no_proxy").unwrap(),
            "127.0.0.1,localhost,::1,mirror"
        );
        assert_eq!(value(&made, "NO_PROXY").unwrap(), "127.0.0.1,localhost,::1");
    }

    #[test]
    fn there_is_always_a_home_and_no_temporary_folder_that_is_not_there() {
        for inherited in [&[][..], &[("HOME", ""), ("TMPDIR", "/no/such")]] {
            let made = made_of(inherited);
            assert!(Path::new(&value(&made, "HOME").unwrap()).is_absolute());
            assert_eq!(value(&made, "TMPDIR"), None);
        }
        let made = made_of(&[("HOME", "/home/me"), ("TMPDIR", "/")]);
        assert_eq!(value(&made, "HOME").unwrap(), "/home/me");
        assert_eq!(value(&made, "TMPDIR").unwrap(), "/");
    }

    #[test]
    fn an_ignored_signal_is_read_from_what_linux_says() {
        assert_eq!(
            ignored("Name:\tx\nSigIgn:\t0000000000001006\nSigCgt:\t01\n"),
            Some(0x1006)
        );
        assert_eq!(ignored("Name:\tx\n"), None);
    }
}
