//! What `deploy` has for operators agrees with the program: it starts the daemon by flags and variables that there are, and
//! its alerts are of figures that are served.

#![cfg(all(feature = "serve", feature = "emulator"))]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use stage::{Running, Stage};

fn deploy(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// What is between two texts, of one line.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split(end).next().unwrap().lines().next().unwrap()
}

/// The names in a text that begin so.
fn names<'t>(text: &'t str, start: &str) -> BTreeSet<&'t str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.filter(|word| word.starts_with(start)).collect()
}

#[test]
fn each_way_to_start_the_daemon_has_flags_and_variables_that_there_are() {
    let stage = Stage::new();
    let unit = deploy("systemd/imtag.service");
    let pod = deploy("kubernetes.yaml");
    let image = deploy("Dockerfile");
    let words = |list: &str| -> Vec<String> {
        let words = list.split(", ").map(|word| word.trim_matches('"'));
        words.map(str::to_owned).collect()
    };
    let unit = between(&unit, "ExecStart=imtag ", "\n").split(' ');
    for arguments in [
        unit.map(str::to_owned).collect(),
        words(between(&pod, "args: [", "]")),
        words(between(&image, "CMD [", "]")),
    ] {
        assert_eq!(arguments[0], "serve");
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // which is not shown where one before it is unknown
        arguments.push("--help");
        let ran = stage.run(&arguments);
        assert_eq!(ran.exit, Some(0), "{arguments:?}: {}", ran.err);
        let known = names(&ran.out, "IMTAG_");
        for text in [&pod, &image] {
            let unknown: Vec<_> = names(text, "IMTAG_").difference(&known).copied().collect();
            assert!(unknown.is_empty(), "{unknown:?}");
        }
    }
}

#[test]
fn each_alert_is_of_figures_that_are_served() {
    let stage = Stage::new();
    let daemon = Running::start(stage.imtag(&["serve", "--socket", "s", "--data", "d"]));
    let mut stream = UnixStream::connect(stage.home.path().join("s")).unwrap();
    let get = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(get.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let heads = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let served: BTreeSet<&str> = heads.collect();
    let alerts = deploy("alerts.yaml");
    let expressions = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let mut alerts = 0;
    for expression in expressions {
        alerts += 1;
        let named = names(expression, "imtag_");
        let unserved: Vec<_> = named.difference(&served).collect();
        assert!(
            !named.is_empty() && unserved.is_empty(),
            "{unserved:?} of {expression}"
        );
    }
    assert_eq!(alerts, 9);
    drop(daemon);
}
