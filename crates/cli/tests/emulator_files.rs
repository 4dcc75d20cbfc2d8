//! What `imtag emulator` writes, and what it leaves as it is; and that its throw-away key goes with it.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use stage::{KEY, Ran, Stage, run};

/// Starts it, waits until it serves, ends it by a signal, and says what it told.
fn served(mut command: Command, signal: Signal) -> serde_json::Value {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
    serde_json::from_str(&line).unwrap()
}

fn entries(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.home.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn a_certificate_is_written_over_no_file_that_imtag_did_not_make() {
    let stage = Stage::new();
    let emulator = ["emulator", "--json", "--tls", "--ca-out", "ca.pem"];
    served(stage.bare(&emulator), Signal::TERM);
    let ca = fs::read_to_string(stage.home.path().join("ca.pem")).unwrap();
    let refused = |path: &str, says: &str| {
        let before = entries(&stage);
        run(stage.bare(&["emulator", "--tls", "--ca-out", path])).refuses(2, says);
        assert_eq!(entries(&stage), before, "{path}");
    };
    let bundle = ca.repeat(2);
    let noted = format!("# trusted by the team\n{ca}");
    for content in ["mine", "\0\0", KEY, &bundle, &noted] {
        stage.file("f", content);
        let says = "f is not the certificate of an emulator that imtag made, and stays as it is: move it away, or give \
                    another path (--ca-out)";
        refused("f", says);
        let there = fs::read_to_string(stage.home.path().join("f")).unwrap();
        assert_eq!(there, content);
    }
    symlink("ca.pem", stage.home.path().join("link")).unwrap();
    symlink("nowhere", stage.home.path().join("dangling")).unwrap();
    fs::create_dir(stage.home.path().join("folder")).unwrap();
    for (path, says) in [
        ("link", "link is a link, and imtag writes the certificate"),
        ("dangling", "dangling is a link"),
        ("folder", "folder is a folder"),
        ("/dev/null", "/dev/null is a device"),
        ("/dev/stdout", "/dev/stdout is a "),
        ("-", "- is no path for the certificate of an emulator"),
    ] {
        refused(path, says);
    }
    // one of its own, and an empty file
    stage.file("empty", "");
    for path in ["ca.pem", "empty"] {
        let again = ["emulator", "--json", "--tls", "--ca-out", path];
        served(stage.bare(&again), Signal::TERM);
        let now = fs::read_to_string(stage.home.path().join(path)).unwrap();
        assert!(now.starts_with("-----BEGIN CERTIFICATE-----\n") && now != ca);
    }
}

#[test]
fn a_folder_of_data_keeps_what_imtag_did_not_make() {
    let stage = Stage::new();
    let emulator =
        |more: &[&str]| stage.bare(&[&["emulator", "--tls", "--data", "data"], more].concat());
    served(emulator(&["--json"]), Signal::TERM);
    let path = |name: &str| stage.home.path().join("data").join(name);
    let ca = fs::read_to_string(path("ca.pem")).unwrap();
    for name in ["lock", "emulator.json", "secret-key", "ca-key.pem"] {
        let before = fs::read(path(name)).unwrap();
        let says = format!("data/{name} is not the certificate of an emulator");
        run(emulator(&["--ca-out", &format!("data/{name}")])).refuses(2, &says);
        assert_eq!(fs::read(path(name)).unwrap(), before);
    }
    stage.file("data/ca.pem", "mine");
    run(emulator(&[])).refuses(2, "data/ca.pem is not the certificate of an emulator");
    assert_eq!(fs::read_to_string(path("ca.pem")).unwrap(), "mine");
    fs::write(path("ca.pem"), ca).unwrap();
    stage.file("key", KEY);
    fs::set_permissions(
        stage.home.path().join("key"),
        PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let key = fs::read(path("secret-key")).unwrap();
    fs::remove_file(path("secret-key")).unwrap();
    symlink("../key", path("secret-key")).unwrap();
    run(emulator(&[])).refuses(
        2,
        "data/secret-key is no file of the emulator's own but a link",
    );
    let mode = fs::metadata(stage.home.path().join("key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    fs::remove_file(path("secret-key")).unwrap();
    fs::write(path("secret-key"), key).unwrap();
    stage.file("data/notes.txt", "mine");
    stage.file("data/new", "mine");
    served(emulator(&["--json"]), Signal::TERM);
    for name in ["notes.txt", "new"] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), "mine");
    }
    let mode = fs::metadata(path("secret-key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_throw_away_key_goes_with_the_emulator_whatever_ends_it() {
    let stage = Stage::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let says = served(stage.bare(&["emulator", "--json", "--tls"]), signal);
        let file = says["secret_key_file"].as_str().unwrap();
        assert!(file.starts_with(stage.home.path().to_str().unwrap()));
        assert_eq!(entries(&stage), Vec::<String>::new());
    }
    run(stage.bare(&["emulator", "--address", "nowhere"])).refuses(2, "is no address");
    assert_eq!(entries(&stage), Vec::<String>::new());
}

#[test]
fn a_key_that_cannot_be_written_leaves_nothing_behind() {
    let stage = Stage::new();
    let bare = stage.bare(&["emulator"]);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -f 0 && exec \"$0\" emulator"])
        .arg(bare.get_program())
        .env_clear()
        .env("TMPDIR", stage.home.path());
    run(shell).refuses(4, "cannot write the key's file");
    let mut bare = stage.bare(&["emulator"]);
    bare.env("TMPDIR", "/nowhere");
    run(bare).refuses(4, "cannot make a temporary folder");
    assert_eq!(entries(&stage), Vec::<String>::new());
}
