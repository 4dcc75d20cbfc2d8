//! `cargo xtask bench emulator`: what the emulator takes and gives, as people install it, in a process of its own. The
//! program has one core, and the plain sockets that call it another.
//!
//! ```text
//! full requests     100 users with 10 tags of 20 bytes each, over eight connections, of 200,000 among a million users:
//!                   adding tags that are there, and then removing and adding them in turn
//! peer              a server written by hand that reads the same requests with serde_json, and answers OK
//! bytes a user      of users with 3 tags, by how much the process grows; the log of requests is full before
//! reset             of all users
//! ```

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use lexopt::ValueExt;
use serde_json::Value;

use super::http::{Connection, connect, listen};
use super::pin::{cores, pin};
use super::{median, per_second};
use crate::Error;
use crate::install::build;
use crate::program::Running;
use crate::scene::{self, IDENTIFIER, KEY, SDKAPPID};

const USERS: u64 = 10_000_000;
/// Those that full requests are for.
pub(super) const FEW_USERS: u64 = 1_000_000;
const USERS_A_REQUEST: u64 = 100;
const TAGS: u64 = 1_000;
/// Brings users into an order that has nothing to do with their names.
const PRIME: u64 = 7_368_787;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 5;
/// Different bodies, so that their users do not all stay in the caches.
const BODIES: u64 = 2_000;
const SECONDS: u64 = 3;
/// More than it answers.
const CALLS_PER_SECOND: u32 = 100_000;
const DAY: Duration = Duration::from_secs(86_400);

const ADD: &str = "/v4/all_member_push/im_add_tag";
const REMOVE: &str = "/v4/all_member_push/im_remove_tag";
/// What a right answer of both servers holds.
const OK: &[u8] = br#""ActionStatus":"OK""#;

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut users, mut time, mut program) = (USERS, Duration::from_secs(SECONDS), None);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("users") => users = arguments.value()?.parse()?,
            lexopt::Arg::Long("seconds") => {
                time = Duration::from_secs(arguments.value()?.parse()?);
            }
            lexopt::Arg::Long("program") => program = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let program = program.map_or_else(|| build::command_line("release"), Ok)?;
    let (servers, callers) = cores()?;
    if servers == callers {
        return Err("one core is for the servers, and another for what calls them".into());
    }
    pin(&servers)?;
    let (emulator, mock) = (Server::start(program)?, listen(serve)?);
    pin(&callers)?;
    measure(&emulator, mock, users, time)
}

fn measure(emulator: &Server, mock: u16, users: u64, time: Duration) -> Result<(), Error> {
    let target = target(ADD)?;
    let of_all =
        |target: &str| -> Vec<Vec<u8>> { (0..BODIES).map(|at| full_request(target, at)).collect() };
    let (full, removing) = (of_all(&target), of_all(&self::target(REMOVE)?));
    let mut to_emulator = Connections::open(emulator.port)?;
    let mut to_mock = Connections::open(mock)?;

    // so many that what the emulator keeps of requests has reached its bound
    to_emulator.call(&mut full.iter().take(1).cycle().take(10_000))?;
    let before = emulator.rss()?;
    let of_fill = fill(FEW_USERS, &target, &mut to_emulator, emulator)?;
    let [took, cpu] = of_fill.map(|it| 1e6 * it.as_secs_f64() / FEW_USERS as f64);
    let each = |users: u64, rss: u64| rss.saturating_sub(before) as f64 / users as f64;
    let row = |what: &str, figure: f64, unit: &str| println!("{what:<44} {figure:>10.1} {unit}");
    let bytes = each(FEW_USERS, emulator.rss()?);
    row(
        &format!("a user with 3 tags, of {FEW_USERS}"),
        bytes,
        "bytes",
    );
    row("adding one, with 99 others in a request", took, "us");
    row("its CPU", cpu, "us");

    let mut rounds = Vec::new();
    to_emulator.call(&mut full.iter())?; // each user gets its 10 tags
    let mut same = full.iter().cycle();
    // goes on from round to round, so that each of them changes its users
    let mut changing = removing.iter().chain(&full).cycle();
    for _ in 0..ROUNDS {
        let mut of_emulator = |requests: &mut dyn Iterator<Item = &Vec<u8>>| -> Result<_, Error> {
            let cpu = emulator.cpu()?;
            let (sent, took) = to_emulator.call_for(time, requests)?;
            let cpu = emulator.cpu()?.saturating_sub(cpu);
            Ok([
                per_second(sent, took),
                1e6 * cpu.as_secs_f64() / sent as f64,
            ])
        };
        let [ours, cpu] = of_emulator(&mut same)?;
        let [changes, cpu_of_change] = of_emulator(&mut changing)?;
        let (peers, took_peer) = to_mock.call_for(time, &mut same)?;
        let peer = per_second(peers, took_peer);
        rounds.push([ours, cpu, changes, cpu_of_change, peer]);
    }
    let [ours, cpu, changes, cpu_of_change, peer] =
        [0, 1, 2, 3, 4].map(|at| median(rounds.iter().map(|it| it[at])));
    let ratio = median(rounds.iter().map(|round| round[0] / round[4]));
    row("full requests of tags that are there", ours, "a second");
    row("the CPU of one", cpu, "us");
    row("full requests that remove or add", changes, "a second");
    row("the CPU of one", cpu_of_change, "us");
    row("peer: read with serde_json, nothing done", peer, "a second");
    row("ratio of those of tags that are there", ratio, "");

    // anew, as full requests left some users with more tags
    row(
        "reset of 1000000 users",
        emulator.reset()?.as_secs_f64(),
        "s",
    );
    fill(users, &target, &mut to_emulator, emulator)?;
    row(
        &format!("a user with 3 tags, of {users}"),
        each(users, emulator.rss()?),
        "bytes",
    );
    row(
        &format!("reset of {users} users"),
        emulator.reset()?.as_secs_f64(),
        "s",
    );
    row(
        "what the process holds a user after that",
        each(users, emulator.rss()?),
        "bytes",
    );
    Ok(())
}

/// Gives so many users 3 tags each; answers what that took, and of the emulator's CPU.
fn fill(
    users: u64,
    target: &str,
    connections: &mut Connections,
    emulator: &Server,
) -> Result<[Duration; 2], Error> {
    let cpu = emulator.cpu()?;
    let began = Instant::now();
    let mut requests = (0..users / USERS_A_REQUEST).map(|at| {
        let first = at * USERS_A_REQUEST;
        let of_request = (first..first + USERS_A_REQUEST).map(|user| {
            let user = user * PRIME % users;
            let tags = [0, 1, 2].map(|tag| format!("tag-{}", (user * 31 + tag * 17) % TAGS));
            (user, tags.to_vec())
        });
        request(target, of_request)
    });
    connections.call(&mut requests)?;
    let took = began.elapsed();
    Ok([took, emulator.cpu()?.saturating_sub(cpu)])
}

/// An `imtag emulator`.
struct Server {
    running: Running,
    port: u16,
}

impl Server {
    fn start(program: PathBuf) -> Result<Server, Error> {
        let port = free_port()?;
        let mut command = Command::new(program);
        scene::set(&mut command, "");
        command
            .env_remove("IMTAG_ENDPOINT")
            .env("IMTAG_CALLS_PER_SECOND", CALLS_PER_SECOND.to_string())
            .args(["emulator", "--address", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::null());
        let running = Running::start(&mut command)?;
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err("the emulator does not come up".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Server { running, port })
    }

    fn reset(&self) -> Result<Duration, Error> {
        let began = Instant::now();
        let head = "POST /emulator/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
        let mut connection = connect(self.port)?;
        connection.send(head.as_bytes())?;
        receive(&mut connection, b"true")?;
        Ok(began.elapsed())
    }

    fn rss(&self) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
        let kib = kib.ok_or("this system does not say what memory a process has")?;
        Ok(1024 * kib.trim().parse::<u64>()?)
    }

    /// What all its threads took.
    fn cpu(&self) -> Result<Duration, Error> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.running.0.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = schedstat.split_whitespace().next();
            let first = first.ok_or("this Linux does not count the time of threads")?;
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The path of a call, with its query.
fn target(path: &str) -> Result<String, Error> {
    let (key, app) = (SecretKey::new(KEY)?, SdkAppId::new(SDKAPPID)?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let usersig = UserSig::sign(&key, app, &Identifier::new(IDENTIFIER)?, DAY, now);
    let usersig = usersig.expose();
    Ok(format!(
        "{path}?sdkappid={SDKAPPID}&identifier={IDENTIFIER}&usersig={usersig}&random=1&contenttype=json"
    ))
}

/// One of the full requests: its users are drawn, and each user has the same tags wherever it is drawn.
fn full_request(target: &str, at: u64) -> Vec<u8> {
    let users = (0..USERS_A_REQUEST).map(|user| {
        let user = (at * USERS_A_REQUEST + user) * PRIME % FEW_USERS;
        let tags =
            (0..10).map(|tag| format!("tag{:04}-of-20-bytes", (user * 31 + tag * 17) % TAGS));
        (user, tags.collect())
    });
    request(target, users)
}

fn request(target: &str, users: impl Iterator<Item = (u64, Vec<String>)>) -> Vec<u8> {
    let users = users.map(|(user, tags)| {
        let tags = tags.join("\",\"");
        format!(r#"{{"To_Account":"user{user:08}","Tags":["{tags}"]}}"#)
    });
    let users: Vec<String> = users.collect();
    let body = format!(r#"{{"UserTags":[{}]}}"#, users.join(","));
    let length = body.len();
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Connections of one thread, each with a request under way.
struct Connections(Vec<Connection<TcpStream>>);

impl Connections {
    fn open(port: u16) -> Result<Connections, Error> {
        let opened = (0..CONNECTIONS).map(|_| connect(port));
        Ok(Connections(opened.collect::<Result<_, _>>()?))
    }

    /// Sends requests until there are no more; answers how many.
    fn call(&mut self, requests: &mut dyn Iterator<Item = impl AsRef<[u8]>>) -> Result<u64, Error> {
        let mut under_way = 0;
        let mut sent = 0;
        for request in requests {
            let at = sent as usize % CONNECTIONS;
            if under_way == CONNECTIONS {
                receive(&mut self.0[at], OK)?;
                under_way -= 1;
            }
            self.0[at].send(request.as_ref())?;
            (sent, under_way) = (sent + 1, under_way + 1);
        }
        for at in sent - under_way as u64..sent {
            receive(&mut self.0[at as usize % CONNECTIONS], OK)?;
        }
        Ok(sent)
    }

    /// Sends the next of endless requests for a time.
    fn call_for(
        &mut self,
        time: Duration,
        requests: &mut dyn Iterator<Item = &Vec<u8>>,
    ) -> Result<(u64, Duration), Error> {
        let began = Instant::now();
        let mut requests = std::iter::from_fn(|| {
            let on = began.elapsed() < time;
            if on { requests.next() } else { None }
        });
        let sent = self.call(&mut requests)?;
        Ok((sent, began.elapsed()))
    }
}

/// Waits for an answer, which must be a right one.
fn receive(connection: &mut Connection<TcpStream>, right: &[u8]) -> Result<(), Error> {
    let body = connection.message()?.ok_or("the server hung up")?;
    if body.windows(right.len()).any(|part| part == right) {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(body).into_owned().into())
    }
}

/// The peer, on a connection.
fn serve(stream: TcpStream) -> Result<(), Error> {
    let mut connection = Connection::new(stream);
    while let Some(body) = connection.message()? {
        let body: Value = serde_json::from_slice(body)?;
        let users = body["UserTags"].as_array().map_or(0, Vec::len) as u64;
        let status = if users == USERS_A_REQUEST {
            "OK"
        } else {
            "FAIL"
        };
        let answer = format!(r#"{{"ActionStatus":"{status}","ErrorInfo":"","ErrorCode":0}}"#);
        let length = answer.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        connection.send((head + &answer).as_bytes())?;
    }
    Ok(())
}
