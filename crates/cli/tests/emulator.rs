//! `imtag emulator`: its lines copied into another terminal, the settings that it takes, what it writes and what it leaves
//! as it is.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use stage::{KEY, Ran, Running, Stage, limited, run, signal};

fn entries(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.home.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn its_lines_are_all_that_a_newcomer_needs() {
    for flags in [&["emulator"][..], &["emulator", "--tls"]] {
        let stage = Stage::new();
        let mut child = stage.bare(flags).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while said.last().is_none_or(|line| line != "  imtag get alice") {
            said.push(lines.next().unwrap().unwrap());
        }
        let export = |line: &String| {
            let (variable, value) = line.strip_prefix("  export ")?.split_once('=')?;
            Some((variable.to_owned(), value.to_owned()))
        };
        let exports: Vec<_> = said.iter().filter_map(export).collect();
        assert_eq!(exports.len(), flags.len() + 3);
        let prose = said.iter().filter(|line| !line.contains("export"));
        assert!(prose.into_iter().all(|line| line.len() <= 80), "{said:?}");

        let imtag = |arguments: &[&str]| {
            let mut command = stage.bare(arguments);
            command.envs(exports.iter().cloned());
            run(command)
        };
        let added = imtag(&["add", "alice", "vip"]);
        assert_eq!((added.exit, added.err.as_str()), (Some(0), ""));
        assert_eq!(imtag(&["get", "alice"]).out, "alice\n  vip\n");

        let key_file = exports.iter().find(|it| it.0 == "IMTAG_SECRET_KEY_FILE");
        let key_file = Path::new(&key_file.unwrap().1);
        assert_eq!(
            (mode(key_file), mode(key_file.parent().unwrap())),
            (0o600, 0o700)
        );
        let key = fs::read_to_string(key_file).unwrap();
        assert!(!said.join("\n").contains(key.trim()));

        signal(&child);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(lines.count(), 0);
        assert_eq!(entries(&stage), [""; 0], "the key and its folder are gone");
    }
}

#[test]
fn it_takes_app_key_and_quota_from_the_settings_and_shows_no_key() {
    let stage = Stage::new();
    let flags = "emulator --tls --ca-out ca.pem --window calendar --name emulator.test --name 10.1.2.3 --strict-random";
    let mut command = stage.bare(&flags.split(' ').collect::<Vec<_>>());
    command
        .env("IMTAG_SECRET_KEY", KEY)
        .env("IMTAG_SDKAPPID", "7")
        .env("IMTAG_IDENTIFIER", "root")
        .env("IMTAG_CALLS_PER_SECOND", "1");
    let running = Running::start(command);
    assert!(!running.says.to_string().contains(KEY));
    assert_eq!(running.says["sdkappid"], 7);
    assert_eq!(running.text("identifier"), "root");
    assert_eq!(running.says["secret_key_file"], Value::Null);
    let ca_file = running.text("ca_file");
    assert!(Path::new(ca_file).is_absolute() && ca_file.ends_with("/ca.pem"));

    let add = "add alice vip --sdkappid 7 --identifier root";
    let mut command = stage.bare(&add.split(' ').collect::<Vec<_>>());
    command
        .env("IMTAG_SECRET_KEY", KEY)
        .env("IMTAG_ENDPOINT", running.text("endpoint"))
        .env("IMTAG_CA_FILE", ca_file);
    assert_eq!(run(command).exit, Some(0));
    running.end(Signal::INT);
}

#[test]
fn the_certificate_to_trust_is_the_same_file_at_the_next_start() {
    let stage = Stage::new();
    let start = || {
        let running = Running::start(stage.bare(&["emulator", "--tls", "--data", "data"]));
        let ca_file = running.text("ca_file").to_owned();
        running.end(Signal::INT);
        assert!(ca_file.ends_with("/data/ca.pem"), "{ca_file}");
        let written = fs::metadata(&ca_file).unwrap().ino();
        (written, fs::read_to_string(ca_file).unwrap())
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
    emulator(&["--tls", "--ca-out", "none/ca.pem"]).refuses(
        2,
        "none/ca.pem cannot be opened: No such file or directory (os error 2); make its folder",
    );
    let left = std::fs::read_dir(stage.home.path()).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_certificate_is_written_over_no_file_that_imtag_did_not_make() {
    let stage = Stage::new();
    let emulator = ["emulator", "--tls", "--ca-out", "ca.pem"];
    Running::start(stage.bare(&emulator)).end(Signal::TERM);
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
    let says = "link is a link, and imtag writes the certificate of an emulator through none";
    refused("link", says);
    // one of its own, and an empty file
    stage.file("empty", "");
    for path in ["ca.pem", "empty"] {
        let again = ["emulator", "--tls", "--ca-out", path];
        Running::start(stage.bare(&again)).end(Signal::TERM);
        let now = fs::read_to_string(stage.home.path().join(path)).unwrap();
        assert!(now.starts_with("-----BEGIN CERTIFICATE-----\n") && now != ca);
    }
}

#[test]
fn a_folder_of_data_keeps_what_imtag_did_not_make() {
    let stage = Stage::new();
    let emulator =
        |more: &[&str]| stage.bare(&[&["emulator", "--tls", "--data", "data"], more].concat());
    Running::start(emulator(&[])).end(Signal::TERM);
    let path = |name: &str| stage.home.path().join("data").join(name);
    let ca = fs::read_to_string(path("ca.pem")).unwrap();
    for name in ["users.db", "emulator.json", "secret-key", "ca-key.pem"] {
        let before = fs::read(path(name)).unwrap();
        let says = format!("data/{name} is not the certificate of an emulator");
        run(emulator(&["--ca-out", &format!("data/{name}")])).refuses(2, &says);
        assert_eq!(fs::read(path(name)).unwrap(), before);
    }
    stage.file("data/ca.pem", "mine");
    run(emulator(&[])).refuses(2, "data/ca.pem is not the certificate of an imtag emulator");
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
    assert_eq!(mode(&stage.home.path().join("key")), 0o644);
    fs::remove_file(path("secret-key")).unwrap();
    fs::write(path("secret-key"), key).unwrap();
    stage.file("data/notes.txt", "mine");
    stage.file("data/new", "mine");
    Running::start(emulator(&[])).end(Signal::TERM);
    for name in ["notes.txt", "new"] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), "mine");
    }
    assert_eq!(mode(&path("secret-key")), 0o600);
}

#[test]
fn the_throw_away_key_goes_with_the_emulator_whatever_ends_it() {
    let stage = Stage::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let running = Running::start(stage.bare(&["emulator", "--tls"]));
        let file = running.text("secret_key_file");
        assert!(file.starts_with(stage.home.path().to_str().unwrap()));
        running.end(signal);
        assert_eq!(entries(&stage), Vec::<String>::new());
    }
    run(stage.bare(&["emulator", "--address", "nowhere"])).refuses(2, "is no address");
    assert_eq!(entries(&stage), Vec::<String>::new());
}

#[test]
fn a_key_that_cannot_be_written_leaves_nothing_behind() {
    let stage = Stage::new();
    let full = limited(&stage.bare(&["emulator"]), "ulimit -f 0");
    run(full).refuses(4, "cannot write the key's file");
    let mut bare = stage.bare(&["emulator"]);
    bare.env("TMPDIR", "/nowhere");
    run(bare).refuses(4, "cannot make a temporary folder");
    assert_eq!(entries(&stage), Vec::<String>::new());
}
