//! Measures a queue alone, without HTTP: `measure accept FOLDER CALLERS SECONDS`, `fill FOLDER CHANGES ACCOUNTS`, `long FOLDER
//! CHANGES`, `open FOLDER`, `empty FOLDER`, `send FOLDER ENDPOINT KEY SECONDS`.

#![allow(clippy::unwrap_used)] // a tool of its developers

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use imtag_core::{ChangeRequest, Rules};
use imtag_local_server::KeptFiles;
use imtag_queue::{Filter, NewPost, Queue, Settings};
use imtag_transport::{Client, SecretKey};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["accept", folder, callers, seconds] => {
            accept(folder, callers.parse().unwrap(), seconds.parse().unwrap());
        }
        ["fill", folder, changes, accounts] => {
            let accounts: u64 = accounts.parse().unwrap();
            fill(folder, changes.parse().unwrap(), |first| {
                hundred_of(first, accounts)
            });
        }
        ["long", folder, changes] => fill(folder, 100 * changes.parse::<u64>().unwrap(), long),
        ["open", folder] => drop(open(folder)),
        ["empty", folder] => empty(folder),
        ["send", folder, endpoint, key, seconds] => {
            send(folder, endpoint, key, seconds.parse().unwrap());
        }
        _ => panic!("see the top of the file"),
    }
}

fn open(folder: &str) -> (Queue, KeptFiles) {
    let start = Instant::now();
    let files = KeptFiles::open(Path::new(folder), "daemon").unwrap();
    let mut settings = Settings::default();
    settings.changes = 100_000_000;
    settings.bytes = 100 << 30;
    let queue = Queue::open(&files, settings).unwrap();
    println!(
        "open: {:?}, {} changes",
        start.elapsed(),
        queue.status().changes
    );
    (queue, files)
}

fn hundred(first: u64) -> NewPost {
    hundred_of(first, 100_000_000)
}

/// Of so many accounts, whose changes are of both kinds in turn.
fn hundred_of(first: u64, accounts: u64) -> NewPost {
    let mut post = NewPost::new();
    for nth in first..first + 100 {
        let (account, tags) = (format!("user{:08}", nth % accounts), ["vip", "beijing"]);
        let change = match nth / accounts % 2 {
            0 => ChangeRequest::add(account, tags),
            _ => ChangeRequest::remove(account, tags),
        };
        post.push(&change.check(&Rules::default()).unwrap());
    }
    post
}

/// One change of a megabyte.
fn long(first: u64) -> NewPost {
    let tags: Vec<String> = (0..19_000).map(|nth| format!("{nth:050}")).collect();
    let change = ChangeRequest::remove(format!("user{first:08}"), &tags);
    let mut post = NewPost::new();
    post.push(&change.check(&Rules::default()).unwrap());
    post
}

fn accept(folder: &str, callers: u64, seconds: u64) {
    let (queue, _files) = open(folder);
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for caller in 0..callers {
            let queue = &queue;
            scope.spawn(move || {
                let mut first = caller << 32;
                while Instant::now() < end {
                    queue.post(hundred(first % 100_000_000)).wait().unwrap();
                    first += 100;
                }
            });
        }
    });
    let counters = queue.status().counters;
    let rate = counters.accepted as f64 / start.elapsed().as_secs_f64();
    println!(
        "{callers} callers: {rate:.0} changes/s, {} commits",
        counters.commits
    );
    figures(folder);
}

fn fill(folder: &str, changes: u64, post: impl Fn(u64) -> NewPost + Sync) {
    let (queue, _files) = open(folder);
    let start = Instant::now();
    thread::scope(|scope| {
        for caller in 0..20 {
            let (queue, post) = (&queue, &post);
            scope.spawn(move || {
                for nth in 0..changes / 2_000 {
                    let first = (caller * changes / 20 + nth * 100) % 100_000_000;
                    queue.post(post(first)).wait().unwrap();
                }
            });
        }
    });
    println!("filled in {:?}", start.elapsed());
    figures(folder);
    // as kill -9 would
    process::abort();
}

fn empty(folder: &str) {
    let (queue, _files) = open(folder);
    let start = Instant::now();
    println!(
        "{:?} in {:?}",
        queue.purge(Filter::default()).wait().unwrap(),
        start.elapsed()
    );
    let mut before = 0;
    loop {
        let bytes = queue.status().file_bytes;
        println!("{:?}: {} MiB", start.elapsed(), bytes >> 20);
        if bytes <= 64 << 20 && bytes == before {
            break;
        }
        before = bytes;
        thread::sleep(Duration::from_secs(1));
    }
    figures(folder);
}

fn send(folder: &str, endpoint: &str, key: &str, seconds: u64) {
    let (queue, _files) = open(folder);
    let key = SecretKey::new(fs::read_to_string(key).unwrap().trim()).unwrap();
    let client = Client::builder(1_400_000_000, "administrator", key)
        .endpoint(endpoint)
        .build()
        .unwrap();
    queue.send_by(client);
    let (start, cpu, before) = (Instant::now(), cpu(), queue.status().changes);
    thread::sleep(Duration::from_secs(seconds));
    let sent = before - queue.status().changes;
    let share = (self::cpu() - cpu) / start.elapsed().as_secs_f64() * 100.0;
    println!(
        "{:.0} changes/s, {share:.1} % of a core",
        sent as f64 / start.elapsed().as_secs_f64()
    );
    println!("{:?}", queue.status());
    println!(
        "{:?}",
        queue.drain(Instant::now() + Duration::from_secs(10))
    );
    figures(folder);
}

/// Seconds of this process.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn figures(folder: &str) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    let memory: Vec<_> = memory
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let mut files = String::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        files += &format!(
            "{} {} MiB; ",
            file.file_name().to_string_lossy(),
            file.metadata().unwrap().len() >> 20
        );
    }
    println!("{} | cpu {:.2} s | {files}", memory.join(", "), cpu());
}
