//! `imtag serve` under an init system: what it tells it, and that a restart at a socket that it holds refuses no call.

#![cfg(all(feature = "serve", feature = "emulator"))]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::Fault;
use rustix::process::Signal;
use stage::{GET, Running, Stage, wait_until};

/// Where it listens, and its socket.
fn init_system(stage: &Stage) -> (PathBuf, UnixDatagram) {
    let path = stage.home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let time = Some(Duration::from_secs(60));
    socket.set_read_timeout(time).unwrap();
    (path, socket)
}

/// What it is told next.
fn heard(init: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = init.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn the_init_system_hears_of_start_reload_and_end_and_of_the_watchdog_where_it_asks() {
    let stage = Stage::new();
    let (path, init) = init_system(&stage);
    let heard = || heard(&init);
    let mut command = stage.imtag(&["serve", "--socket", "s"]);
    command.env("NOTIFY_SOCKET", &path);
    let daemon = Running::start(command);
    assert_eq!(heard(), "READY=1");
    daemon.signal(Signal::HUP);
    let reloading = heard();
    let micros = reloading
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0);
    assert_eq!(heard(), "READY=1");
    daemon.end(Signal::TERM);
    assert_eq!(heard(), "STOPPING=1");

    let mut command = stage.imtag(&["serve", "--socket", "s"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000");
    let daemon = Running::start(command);
    while heard() != "WATCHDOG=1" {}
    drop(daemon);
}

#[test]
fn an_end_that_is_asked_for_while_settings_are_read_anew_begins_at_once() {
    let stage = Stage::new();
    let (path, init) = init_system(&stage);
    let heard = || heard(&init);
    let mut command = stage.imtag(&["serve", "--socket", "s"]);
    command.env("NOTIFY_SOCKET", &path);
    let daemon = Running::start(command);
    assert_eq!(heard(), "READY=1");
    // which the new settings wait for
    let slow = Fault::delay(Duration::from_secs(3));
    stage.emulator.fault(GET, slow);
    let socket = stage.home.path().join("s");
    thread::scope(|threads| {
        let caller = threads.spawn(|| call(&socket).unwrap_or_default());
        wait_until("the call does not arrive", || {
            stage.emulator.stats().arrivals() > 0
        });
        daemon.signal(Signal::HUP);
        assert!(heard().starts_with("RELOADING=1"));
        daemon.end(Signal::TERM);
        // the settings may be there before the end is asked for
        let said = heard();
        let said = if said == "READY=1" { heard() } else { said };
        assert_eq!(said, "STOPPING=1");
        let answer = caller.join().unwrap();
        assert!(answer.contains("\"ErrorCode\":0"), "{answer}");
    });
}

/// `imtag serve` with a listener as its third descriptor, as systemd starts it.
fn at_held_socket(stage: &Stage, listener: &UnixListener) -> Running {
    let imtag = stage.imtag(&["serve", "--json"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 3<&0 </dev/null; exec \"$0\" \"$@\""])
        .arg(imtag.get_program())
        .arg("serve")
        .current_dir(stage.home.path())
        .env_clear()
        .envs(
            imtag
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("LISTEN_FDS", "1")
        // as the unit has it
        .env("STATE_DIRECTORY", stage.home.path().join("state"))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(
            listener.try_clone().unwrap(),
        )))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::start(command)
}

fn call(path: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(path).ok()?;
    // where no daemon is left, the test is to end
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let body = r#"{"To_Account":["a"]}"#;
    let head =
        "POST /v4/all_member_push/im_get_tag HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    write!(
        stream,
        "{head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_restart_at_a_held_socket_refuses_no_call() {
    let stage = Stage::new();
    let path = stage.home.path().join("held");
    let listener = UnixListener::bind(&path).unwrap();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|threads| {
        let mut daemon = at_held_socket(&stage, &listener);
        let mut callers = Vec::new();
        for _ in 0..4 {
            callers.push(threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = call(&path).unwrap_or_default();
                    if !answer.contains("\"ErrorCode\":0") {
                        stop.store(true, Ordering::Relaxed);
                        panic!("a call was refused: {answer:?}");
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for _ in 0..3 {
            let before = answered.load(Ordering::Relaxed);
            wait_until("no call is answered", || {
                answered.load(Ordering::Relaxed) > before + 8 || stop.load(Ordering::Relaxed)
            });
            daemon.end(Signal::TERM);
            daemon = at_held_socket(&stage, &listener);
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().unwrap();
        }
        daemon.end(Signal::TERM);
    });
    assert!(path.exists());
}
