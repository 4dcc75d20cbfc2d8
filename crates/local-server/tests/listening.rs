//! What is listened on: a path that is free or was left behind, and what the process is started with.

#![allow(clippy::unwrap_used)] // all of it is test code

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use imtag_local_server::{Listener, UnixAccess};

const ACCESS: UnixAccess = UnixAccess {
    mode: 0o660,
    group: None,
};

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_socket_has_its_mode_and_is_removed_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let group = rustix::process::getegid().as_raw();
    let access = UnixAccess {
        mode: 0o620,
        group: Some(group),
    };
    let listener = Listener::unix(&path, access).unwrap();
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o620);
    assert_eq!(entries(folder.path()), 1);
    drop(listener);
    assert_eq!(entries(folder.path()), 0);
}

#[tokio::test]
async fn what_a_dead_process_has_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let listener = Listener::unix(&path, ACCESS).unwrap();
    let error = Listener::unix(&path, ACCESS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(listener);
    fs::write(&path, "mine").unwrap();
    let error = Listener::unix(&path, ACCESS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(entries(folder.path()), 1);
}

#[tokio::test]
async fn what_another_has_put_into_the_folder_is_not_followed_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("s"), "mine").unwrap();
    let guessed = folder.path().join(format!(".{}", std::process::id()));
    std::os::unix::fs::symlink(victim.path(), guessed).unwrap();
    let listener = Listener::unix(&folder.path().join("socket"), ACCESS).unwrap();
    drop(listener);
    let kept = fs::read_to_string(victim.path().join("s")).unwrap();
    assert_eq!((&*kept, entries(folder.path())), ("mine", 1));
}

#[tokio::test]
async fn a_folder_whose_lock_another_holds_on_is_not_said_to_be_listened_in() {
    use rustix::fs::{FlockOperation, flock};
    let folder = tempfile::tempdir().unwrap();
    let held = fs::File::open(folder.path()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let error = Listener::unix(&folder.path().join("socket"), ACCESS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
}

#[tokio::test]
async fn a_path_that_no_caller_could_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let longest = 107; // 103 elsewhere than on Linux
    let room = longest - folder.path().as_os_str().len() - 1;
    let path = folder.path().join("s".repeat(room));
    #[cfg(target_os = "linux")]
    {
        let _listener = Listener::unix(&path, ACCESS).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }
    let error = Listener::unix(&path.with_extension("x"), ACCESS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(entries(folder.path()), 0);
}

#[tokio::test]
async fn what_a_process_of_the_same_number_has_left_while_it_started_is_in_no_ones_way() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join(format!(".{}", std::process::id()));
    fs::create_dir(&private).unwrap();
    drop(UnixListener::bind(private.join("s")).unwrap());
    let path = folder.path().join("socket");
    let _listener = Listener::unix(&path, ACCESS).unwrap();
    std::os::unix::net::UnixStream::connect(&path).unwrap();
}

#[tokio::test]
async fn a_socket_that_has_taken_the_place_of_another_is_not_removed_with_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let first = Listener::unix(&path, ACCESS).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = Listener::unix(&path, ACCESS).unwrap();
    drop(first);
    assert!(path.exists());
}

/// Started by the next test as a process of its own, with a descriptor 3: what it got is printed.
#[tokio::test]
#[ignore = "started by another test"]
async fn inherits() {
    match Listener::inherited() {
        Ok(listeners) => {
            let found = listeners.iter().map(|it| match (it.address(), it.path()) {
                (Some(address), _) => address.to_string(),
                (None, path) => path.unwrap().display().to_string(),
            });
            println!("inherited {}.", found.collect::<Vec<_>>().join(" "));
        }
        Err(error) => println!("refused {:?}.", error.kind()),
    }
}

/// What such a process prints whose descriptor 3 is this one, and which is told that it has `count` of them.
fn heir(socket: impl AsFd, count: &str) -> String {
    let socket = socket.as_fd().try_clone_to_owned().unwrap();
    let tests = std::env::current_exe().unwrap();
    // A shell gives its standard input a second number.
    let run = "exec 3<&0 </dev/null; exec \"$0\" --ignored --exact inherits --nocapture";
    let out = Command::new("sh")
        .args(["-c", run])
        .arg(tests)
        .env("LISTEN_FDS", count)
        .env_remove("LISTEN_PID")
        .stdin(socket)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let said = ["inherited ", "refused "].map(|it| text.find(it));
    let start = said.into_iter().flatten().next().expect(&text);
    text[start..]
        .lines()
        .next()
        .unwrap()
        .trim_end_matches(" ok")
        .to_owned()
}

#[test]
fn sockets_that_the_process_is_started_with_are_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap();
    assert_eq!(heir(&tcp, "1"), format!("inherited {address}."));
    assert_eq!(heir(&unix, "1"), format!("inherited {}.", path.display()));
    assert_eq!(heir(&tcp, "0"), "inherited .");
    let connected = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(heir(&connected, "1"), "refused InvalidInput.");
    let file = tempfile::tempfile().unwrap();
    assert_eq!(heir(&file, "1"), "refused InvalidInput.");
    assert!(path.exists());
}
