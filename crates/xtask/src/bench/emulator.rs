//! `cargo xtask bench emulator`: what the emulator takes and gives, as people install it, in a process of its own. It has
//! one core, and bulk runs of the client, which cost less than it does, have another.
//!
//! ```text
//! full requests     100 users with 10 tags of 20 bytes each, of 200,000 among a million users: adding tags that are
//!                   there, and then removing and adding them in turn; with `--data` too, where users outlast a kill
//! peer              a server written by hand that reads the same requests with serde_json, and answers OK
//! memory            of users with 3 tags, by how much the process grows; the log of requests is full before
//! ```

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use imtag_core::SecretKey;
use imtag_transport::{AddTags, ChangeRequest, Client};
use serde_json::Value;

use super::against::{OTHER, OtherCommit, command_lines};
use super::http::serve;
use super::options::Options;
use super::process::{cpu, memory, pin, two_cores};
use super::report::{Contender, Report, Table, micros_each, per_second};
use crate::Error;
use crate::scene::{IDENTIFIER, KEY, Process, SDKAPPID};

/// Those that full requests are for, and how many of them.
const FEW_USERS: u64 = 1_000_000;
const CALLED: u64 = 200_000;
/// So many full requests fill what the emulator keeps of them.
const LOGGED: u64 = 10_000;
const TAGS: u64 = 1_000;
/// Brings users into an order that has nothing to do with their names.
const PRIME: u64 = 7_368_787;
/// More than it answers.
const CALLS_PER_SECOND: u32 = 100_000;

/// The row of the peer.
const PEER: &str = "serde_json alone";
/// What the rows of another commit's program are called.
const OTHERS: [[&str; 2]; 2] = [
    ["other commit, same tags", "other commit, changes"],
    [
        "other commit --data, same tags",
        "other commit --data, changes",
    ],
];

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let other = OtherCommit::asked_for(options)?;
    let programs = command_lines(options, other.as_ref())?;
    let cores = two_cores()?;
    if cores[0] == cores[1] {
        return Err("one core is for the servers, and another for what calls them".into());
    }
    let folder = tempfile::tempdir()?;
    let start = |program: &Path, data: Option<&Path>| -> Result<Server, Error> {
        pin(&cores[0])?;
        let server = Server::start(program, data)?;
        pin(&cores[1])?;
        Ok(server)
    };
    let columns = [
        ("memory", "bytes a user"),
        ("adding", "us a user"),
        ("CPU", "us a user"),
        ("reset", "s"),
        ("left", "bytes a user"),
    ];
    let mut grown = Table::new("users with 3 tags, 100 in a request", &columns);
    let mut counts = vec![FEW_USERS, options.amount];
    counts.dedup();
    for (name, program) in &programs {
        for users in &counts {
            eprintln!("{name}, {users} users");
            let figures = start(program, None)?.grown(*users)?;
            grown.row(&format!("{name}, {users}"), &figures);
        }
    }
    pin(&cores[0])?;
    let peer = client(&serve(answer)?)?;
    let mut servers = Vec::new();
    for (name, program) in &programs {
        let data = folder.path().join(name);
        servers.push((*name, [start(program, None)?, start(program, Some(&data))?]));
    }
    let mut report = options.report();
    report.tables.push(full_requests(&servers, &peer, options)?);
    report.tables.push(grown);
    Ok(report)
}

fn full_requests(
    servers: &[(&str, [Server; 2])],
    peer: &Client,
    options: &Options,
) -> Result<Table, Error> {
    let tags: Vec<String> = (0..TAGS)
        .map(|tag| format!("tag{tag:04}-of-20-bytes"))
        .collect();
    let tags = &tags;
    let change = |change: fn(String, [&str; 10]) -> ChangeRequest| {
        let users = (0..CALLED).map(|at| at * PRIME % FEW_USERS);
        users.map(move |user| {
            let tags =
                std::array::from_fn(|tag| &*tags[((user * 31 + tag as u64 * 17) % TAGS) as usize]);
            change(account(user), tags)
        })
    };
    let adding = || change(|account, tags| ChangeRequest::add(account, tags));
    let removing = || change(|account, tags| ChangeRequest::remove(account, tags));
    let time = Duration::from_secs(if options.quick { 1 } else { 3 });
    // time and requests of a round
    let for_a_time = move |client: &Client, changes: &mut dyn Iterator<Item = ChangeRequest>| {
        let began = Instant::now();
        let sent = send(client, changes.take_while(|_| began.elapsed() < time))?;
        let took = began.elapsed();
        Ok::<_, Error>((sent, vec![micros_each(took, sent), per_second(sent, took)]))
    };
    let mut contenders = Vec::new();
    let kept = ["", " --data"].into_iter().zip(OTHERS);
    let servers = servers.iter().flat_map(|(name, servers)| {
        let servers = servers.iter().zip(kept.clone());
        servers.map(move |(server, (kept, others))| (name, kept, others, server))
    });
    for (name, kept, others, server) in servers {
        server.fill(FEW_USERS)?;
        send(&server.client, adding())?; // each user gets its 10 tags
        let changing = removing().chain(adding());
        // go on from round to round, so that each of them changes its users
        let works: [(_, Box<dyn Iterator<Item = ChangeRequest>>); 2] = [
            ("same tags", Box::new(adding().cycle())),
            ("changes", Box::new(changing.cycle())),
        ];
        for ((what, mut changes), other) in works.into_iter().zip(others) {
            let over = if *name == OTHER {
                vec![]
            } else {
                vec![PEER, other]
            };
            contenders.push(Contender {
                name: format!("{name}{kept}, {what}"),
                over,
                measure: Box::new(move || {
                    let before = server.cpu()?;
                    let (sent, mut figures) = for_a_time(&server.client, &mut changes)?;
                    let cpu = server.cpu()?.saturating_sub(before);
                    figures.push(micros_each(cpu, sent));
                    Ok(figures)
                }),
            });
        }
    }
    let mut changes = adding().cycle();
    contenders.push(Contender {
        name: PEER.to_owned(),
        over: vec![],
        measure: Box::new(move || Ok(for_a_time(peer, &mut changes)?.1)),
    });
    let columns = [("time", "us"), ("requests", "a second"), ("CPU", "us")];
    let mut table = Table::new("full requests, × is of time", &columns);
    table.in_turn(options.rounds, 0, &mut contenders)?;
    Ok(table)
}

/// An `imtag emulator`, and a client for it.
struct Server {
    process: Process,
    client: Client,
}

impl Server {
    /// `data` is the folder that its users are kept in; without one they are in memory alone.
    fn start(program: &Path, data: Option<&Path>) -> Result<Server, Error> {
        let any = ([127, 0, 0, 1], 0).into();
        let process = Process::start(program, any, CALLS_PER_SECOND, data, Stdio::inherit())?;
        Ok(Server {
            client: client(&process.endpoint())?,
            process,
        })
    }

    /// Gives so many users 3 tags each, and takes them away: bytes a user, time and CPU of adding one, the seconds of a
    /// reset, and the bytes a user that are left.
    fn grown(&self, users: u64) -> Result<Vec<f64>, Error> {
        let tags: [String; 10] = std::array::from_fn(|tag| format!("tag{tag:04}-of-20-bytes"));
        let accounts: [String; 100] = std::array::from_fn(|user| account(user as u64));
        let full = AddTags::new(accounts.iter().map(|account| (account, &tags)))?;
        for _ in 0..LOGGED {
            self.client.add_tag(&full)?;
        }
        let before = self.rss()?;
        let grown = || -> Result<f64, Error> {
            Ok(self.rss()?.saturating_sub(before) as f64 / users as f64)
        };
        let (cpu, began) = (self.cpu()?, Instant::now());
        self.fill(users)?;
        let [took, cpu] = [began.elapsed(), self.cpu()?.saturating_sub(cpu)];
        let [took, cpu] = [took, cpu].map(|it| micros_each(it, users));
        let memory = grown()?;
        let began = Instant::now();
        self.process.ask("POST", "reset", "")?;
        let reset = began.elapsed().as_secs_f64();
        Ok(vec![memory, took, cpu, reset, grown()?])
    }

    /// Gives so many users 3 tags each.
    fn fill(&self, users: u64) -> Result<(), Error> {
        let changes = (0..users).map(|at| {
            let user = at * PRIME % users;
            let tags = [0, 1, 2].map(|tag| format!("tag-{}", (user * 31 + tag * 17) % TAGS));
            ChangeRequest::add(account(user), tags)
        });
        send(&self.client, changes)?;
        Ok(())
    }

    fn rss(&self) -> Result<u64, Error> {
        Ok(memory(self.process.id(), "VmRSS")?.ok_or("the emulator has ended")?)
    }

    fn cpu(&self) -> Result<Duration, Error> {
        cpu(self.process.id())
    }
}

fn client(endpoint: &str) -> Result<Client, Error> {
    let client = Client::builder(SDKAPPID, IDENTIFIER, SecretKey::new(KEY)?).endpoint(endpoint);
    let client = client.calls_per_second(CALLS_PER_SECOND).fresh_start(true);
    Ok(client.build()?)
}

fn account(user: u64) -> String {
    format!("user{user:08}")
}

/// Makes changes, all of which are done. How many requests that were.
fn send(client: &Client, changes: impl Iterator<Item = ChangeRequest>) -> Result<u64, Error> {
    let summary = client.bulk().run(changes).finish();
    if summary.all_done() {
        Ok(summary.progress.requests)
    } else {
        Err(summary.to_string().into())
    }
}

/// The peer's answer.
fn answer(body: &[u8]) -> Result<String, Error> {
    let body: Value = serde_json::from_slice(body)?;
    let code = i32::from(!body["UserTags"].is_array());
    Ok(format!(
        r#"{{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":{code}}}"#
    ))
}
