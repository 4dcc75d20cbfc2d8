//! `imtag emulator --data`, ended by `kill -9` while clients write: what was answered is there at the next start.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use imtag_core::retry::RetryPolicy;
use imtag_core::{AddTags, RemoveTags, SecretKey};
use imtag_transport::Client;
use serde_json::Value;
use stage::{Running, Stage, run};

const WRITERS: usize = 3;
/// Of each writer: a request names all of them, so that one which was applied in part would show.
const USERS: usize = 20;

type Users = BTreeMap<String, BTreeSet<String>>;

fn start(stage: &Stage) -> Running {
    let mut command = stage.bare(&["emulator", "--data", "data"]);
    command.env("IMTAG_CALLS_PER_SECOND", "10000");
    Running::start(command)
}

fn client_of(running: &Running) -> Client {
    let key = std::fs::read_to_string(running.text("secret_key_file")).unwrap();
    let sdkappid = running.says["sdkappid"].to_string().parse().unwrap();
    let key = SecretKey::new(key.trim_end()).unwrap();
    Client::builder(sdkappid, running.text("identifier"), key)
        .endpoint(running.text("endpoint"))
        .calls_per_second(10_000)
        .retry(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        })
        .build()
        .unwrap()
}

fn users_of(running: &Running) -> Users {
    let address = running.text("endpoint").strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /emulator/users HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let mut json: Value = serde_json::from_str(body).unwrap();
    serde_json::from_value(json["users"].take()).unwrap()
}

/// What one writer's users carry, all of them alike: after what was answered, and after the request that was not.
struct Written {
    answered: BTreeSet<String>,
    perhaps: BTreeSet<String>,
}

fn names(writer: usize) -> Vec<String> {
    (0..USERS)
        .map(|user| format!("user{writer}-{user}"))
        .collect()
}

/// Adds and removes tags until the emulator is gone.
fn write_until_it_ends(
    client: &Client,
    writer: usize,
    mut tags: BTreeSet<String>,
    answers: &AtomicUsize,
) -> Written {
    let users = names(writer);
    for round in 0.. {
        // Every third request takes away a tag that was added some time ago.
        let removes = round % 3 == 2;
        let number = if removes { round * 7 } else { round };
        let tag = [format!("tag{}", number % 90)];
        let change = users.iter().map(|user| (user, &tag));
        let called = if removes {
            client.remove_tag(&RemoveTags::new(change).unwrap())
        } else {
            client.add_tag(&AddTags::new(change).unwrap())
        };
        let before = tags.clone();
        if removes {
            tags.remove(&tag[0])
        } else {
            tags.insert(tag[0].clone())
        };
        if called.is_err() {
            return Written {
                answered: before,
                perhaps: tags,
            };
        }
        answers.fetch_add(1, Ordering::Release);
    }
    unreachable!("it writes until a call fails")
}

#[test]
fn what_was_answered_is_there_after_kill_9_and_each_request_whole_or_not_at_all() {
    let stage = Stage::new();
    let mut carried = vec![BTreeSet::new(); WRITERS];
    let mut requests = 0;
    for life in 0..8 {
        let running = start(&stage);
        let client = client_of(&running);
        let answers = AtomicUsize::new(0);
        let written: Vec<Written> = thread::scope(|scope| {
            let writers: Vec<_> = carried
                .drain(..)
                .enumerate()
                .map(|(writer, tags)| {
                    let (client, answers) = (&client, &answers);
                    scope.spawn(move || write_until_it_ends(client, writer, tags, answers))
                })
                .collect();
            while answers.load(Ordering::Acquire) < 20 + 37 * life {
                assert!(!writers.iter().all(thread::ScopedJoinHandle::is_finished));
                thread::yield_now();
            }
            drop(running);
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        requests += answers.into_inner();

        let running = start(&stage);
        let users = users_of(&running);
        for (writer, written) in written.into_iter().enumerate() {
            let tags_of = |user: &String| users.get(user).cloned().unwrap_or_default();
            let alike: BTreeSet<_> = names(writer).iter().map(tags_of).collect();
            assert_eq!(alike.len(), 1, "a request was applied in part: {alike:?}");
            let tags = alike.into_iter().next().unwrap();
            assert!(
                tags == written.answered || tags == written.perhaps,
                "life {life}: {tags:?} is neither {:?} nor {:?}",
                written.answered,
                written.perhaps
            );
            carried.push(tags);
        }
        drop(running);
    }
    assert!(requests >= 8 * 20);
}

#[test]
fn app_and_key_come_back_and_the_key_is_for_its_owner_alone() {
    let stage = Stage::new();
    let first = start(&stage);
    let file = first.text("secret_key_file").to_owned();
    assert!(
        file.starts_with('/') && file.ends_with("/data/secret-key"),
        "{file}"
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(!first.says.to_string().contains(key.trim_end()));
    drop(first);
    let second = start(&stage);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key);
    let read = ["a", "b"].map(|name| (name, ["t"]));
    client_of(&second)
        .add_tag(&AddTags::new(read).unwrap())
        .unwrap();
    assert_eq!(users_of(&second).len(), 2);
}

#[test]
fn data_that_cannot_be_used_are_refused_with_a_reason() {
    let stage = Stage::new();
    let running = start(&stage);
    let emulator = |arguments: &[&str]| {
        let mut all = vec!["emulator", "--data"];
        all.extend(arguments);
        run(stage.bare(&all))
    };
    emulator(&["data"]).refuses(4, "another emulator uses the data in data");
    drop(running);
    emulator(&["data", "--sdkappid", "7"])
        .refuses(4, "the data in data are of SDKAppID 1400000000");
    stage.file("mine/notes.txt", "mine");
    emulator(&["mine"]).refuses(2, "mine holds other files than an imtag emulator's");
    for data in ["mine/notes.txt", "mine/notes.txt/data"] {
        let says =
            format!("{data} is no folder: give the path of a folder, or one where nothing is");
        emulator(&[data]).refuses(2, &says);
    }
    stage.file("data/emulator.json", "{");
    emulator(&["data"]).refuses(4, "data/emulator.json is damaged: restore the folder");
}
