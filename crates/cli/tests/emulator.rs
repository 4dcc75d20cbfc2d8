//! `imtag emulator`, as a newcomer uses it: its lines copied into another terminal.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command};

use serde_json::Value;
use stage::{Ran, Stage, run, signal};

/// A running `imtag emulator`, ended when the test ends.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out }
    }

    fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| line.trim() != last) {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "{lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    fn end(mut self) -> Option<i32> {
        signal(&self.child);
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // already ended where the test came so far
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_lines_are_all_that_a_newcomer_needs() {
    for tls in [false, true] {
        let stage = Stage::new();
        let flags: &[&str] = if tls {
            &["emulator", "--tls"]
        } else {
            &["emulator"]
        };
        let mut running = Running::start(stage.bare(flags));
        let lines = running.lines_until("imtag get alice");
        let exports: Vec<(&str, &str)> = lines
            .iter()
            .filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='))
            .collect();
        assert_eq!(exports.len(), if tls { 5 } else { 4 });

        let imtag = |arguments: &[&str]| {
            let mut command = stage.bare(arguments);
            command.envs(exports.iter().copied());
            run(command)
        };
        let added = imtag(&["add", "alice", "vip"]);
        assert_eq!((added.exit, added.err.as_str()), (Some(0), ""));
        assert_eq!(imtag(&["get", "alice"]).out, "alice\n  vip\n");

        let value = |name| exports.iter().find(|it| it.0 == name).unwrap().1;
        let key_file = Path::new(value("IMTAG_SECRET_KEY_FILE")).to_owned();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&key_file), mode(key_file.parent().unwrap())),
            (0o600, 0o700)
        );
        let key = std::fs::read_to_string(&key_file).unwrap();
        assert!(!lines.join("\n").contains(key.trim()));

        assert_eq!(running.end(), Some(0));
        let left = std::fs::read_dir(stage.home.path()).unwrap().count();
        assert_eq!(left, 0, "the key and its folder are gone");
    }
}

#[test]
fn it_takes_app_key_and_quota_from_the_settings_and_shows_no_key() {
    let stage = Stage::new();
    let mut command = stage.bare(&[
        "emulator",
        "--json",
        "--tls",
        "--ca-out",
        "ca.pem",
        "--window",
        "calendar",
        "--name",
        "emulator.test",
        "--name",
        "10.1.2.3",
        "--strict-random",
    ]);
    command
        .env("IMTAG_SECRET_KEY", stage::KEY)
        .env("IMTAG_SDKAPPID", "7")
        .env("IMTAG_IDENTIFIER", "root")
        .env("IMTAG_CALLS_PER_SECOND", "1");
    let mut running = Running::start(command);
    let mut line = String::new();
    running.out.read_line(&mut line).unwrap();
    assert!(!line.contains(stage::KEY));
    let says: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(says["sdkappid"], 7);
    assert_eq!(says["identifier"], "root");
    assert_eq!(says["secret_key_file"], Value::Null);
    let ca_file = says["ca_file"].as_str().unwrap();
    assert!(Path::new(ca_file).is_absolute() && ca_file.ends_with("/ca.pem"));

    let mut command = stage.bare(&[
        "add",
        "alice",
        "vip",
        "--sdkappid",
        "7",
        "--identifier",
        "root",
    ]);
    command
        .env("IMTAG_SECRET_KEY", stage::KEY)
        .env("IMTAG_ENDPOINT", says["endpoint"].as_str().unwrap())
        .env("IMTAG_CA_FILE", ca_file);
    assert_eq!(run(command).exit, Some(0));
    assert_eq!(running.end(), Some(0));
}

#[test]
fn the_certificate_to_trust_is_the_same_file_at_the_next_start() {
    let stage = Stage::new();
    let start = || {
        let command = stage.bare(&["emulator", "--json", "--tls", "--data", "data"]);
        let mut running = Running::start(command);
        let mut line = String::new();
        running.out.read_line(&mut line).unwrap();
        let says: Value = serde_json::from_str(&line).unwrap();
        let ca_file = says["ca_file"].as_str().unwrap().to_owned();
        assert_eq!(running.end(), Some(0));
        assert!(ca_file.ends_with("/data/ca.pem"), "{ca_file}");
        let written = std::fs::metadata(&ca_file).unwrap().ino();
        (written, std::fs::read_to_string(ca_file).unwrap())
    };
    let first = start();
    assert!(first.1.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(start(), first);
}

#[test]
fn what_it_cannot_do_it_says() {
    let stage = Stage::new();
    let taken = stage.emulator.address().to_string();
    let emulator = |arguments: &[&str]| -> Ran {
        let mut all = vec!["emulator"];
        all.extend(arguments);
        run(stage.bare(&all))
    };
    emulator(&["--address", &taken]).refuses(4, "the emulator does not start: cannot listen on");
    emulator(&["--address", "0.0.0.0:0"]).refuses(2, "plain HTTP would show UserSigs");
    emulator(&["--tls", "--name", "https://emulator"]).refuses(
        2,
        "\"https://emulator\" is no name of a host: give the host alone",
    );
    emulator(&["--address", "nowhere"]).refuses(2, "is no address to listen on");
    emulator(&["--ca-out", "ca.pem"]).refuses(2, "--tls");
    emulator(&["--sdkappid", "x"]).refuses(3, "--sdkappid: \"x\" is not an SDKAppID");
    emulator(&["--tls", "--ca-out", "none/ca.pem"])
        .refuses(2, "cannot write the CA file none/ca.pem: No such file or directory (os error 2); make its folder");
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 0);
}
