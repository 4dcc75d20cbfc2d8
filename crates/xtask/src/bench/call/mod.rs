//! `cargo xtask bench call`: what one call costs over a connection that is already there, over the least that a program of
//! one's own costs; what it costs where 16 threads share a client; and what a user of a bulk run costs. Clients take turns
//! in rounds, each a process of its own, built as it is shipped. All of them and the server share one core, as on two a
//! call's time is mostly that of waking the other; the threads are also measured on all cores, where they can be in each
//! other's way. Nothing of a round is compared with another's.

mod caller;
mod server;
mod table;

use std::path::PathBuf;

use lexopt::ValueExt;

use super::against::Worktree;
use super::pin::{all_cores, cores, pin};
use crate::Error;
use caller::{Allocated, Caller, Client, Round};
use server::Server;
use table::{Report, Row};

/// Calls whose allocations and system calls are counted.
const COUNTED: u64 = 100;

/// So many threads share a client.
const THREADS: u64 = 16;

/// Of a bulk run.
const BULK_USERS: u64 = 20_000;

struct Options {
    rounds: usize,
    /// Of each client in a round.
    calls: u64,
    json: bool,
    profile: String,
    /// A commit whose client is measured, too.
    against: Option<String>,
}

/// The same work for each client: a part of the table.
struct Load<'s> {
    name: String,
    endpoint: &'s str,
    ca_file: PathBuf,
    users: u64,
    tags: u64,
    /// What the program is told beside these: the number of threads, or `bulk`. Only those in Rust know it.
    work: Option<String>,
    /// Put before the program.
    on: Vec<String>,
    /// What each is told to make in a round: calls on each thread, or bulk runs.
    times: u64,
    /// What is compared of a round.
    compared: (&'static str, fn(&Round) -> f64),
}

pub(super) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let options = options(arguments)?;
    let (mut callers, missing) = caller::built(&options.profile)?;
    let other = options.against.as_deref().map(Worktree::new).transpose()?;
    if let Some(other) = &other {
        caller::add_other(&mut callers, other, &options.profile)?;
    }
    let all_cores = all_cores()?;
    // its threads may use all cores, as it is not pinned yet
    let server_on_all = Server::start()?;
    pin(&cores()?.1)?;
    let server = Server::start()?;
    let mut rows = Vec::new();
    for load in loads(&server, &options) {
        rows.extend(measure(&server, &callers, &load, &options)?);
    }
    let load = Load {
        name: format!("{THREADS} threads, all cores"),
        endpoint: &server_on_all.plain,
        on: ["taskset", "--cpu-list", &all_cores]
            .map(str::to_owned)
            .to_vec(),
        ..threads(&server, &options)
    };
    rows.extend(measure(&server_on_all, &callers, &load, &options)?);
    let report = Report {
        profile: options.profile,
        rows,
        missing,
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

fn options(mut arguments: lexopt::Parser) -> Result<Options, Error> {
    let mut options = Options {
        rounds: 51,
        calls: 500,
        json: false,
        profile: "dist".to_owned(),
        against: None,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("quick") => (options.rounds, options.calls) = (11, 200),
            lexopt::Arg::Long("json") => options.json = true,
            lexopt::Arg::Long("profile") => options.profile = arguments.value()?.parse()?,
            lexopt::Arg::Long("against") => options.against = Some(arguments.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// All that is measured on one core.
fn loads<'s>(server: &'s Server, options: &Options) -> Vec<Load<'s>> {
    let mut loads = Vec::new();
    for (protocol, endpoint) in [("plain", &server.plain), ("TLS", &server.tls)] {
        for (size, users, tags) in [("small", 1, 1), ("full", 100, 10)] {
            loads.push(Load {
                name: format!("{protocol}, {size}"),
                endpoint,
                ca_file: server.ca_file(),
                users,
                tags,
                work: None,
                on: Vec::new(),
                times: options.calls,
                compared: ("p50", |round| round.p50),
            });
        }
    }
    loads.push(threads(server, options));
    for (tags, name) in [(1, "bulk, 1 tag"), (10, "bulk, 10 tags")] {
        loads.push(Load {
            name: name.to_owned(),
            endpoint: &server.plain,
            ca_file: server.ca_file(),
            users: BULK_USERS,
            tags,
            work: Some("bulk".to_owned()),
            on: Vec::new(),
            times: 1,
            compared: ("CPU", |round| round.cpu),
        });
    }
    loads
}

/// Threads that share a client, on one core.
fn threads<'s>(server: &'s Server, options: &Options) -> Load<'s> {
    Load {
        name: format!("{THREADS} threads"),
        endpoint: &server.plain,
        ca_file: server.ca_file(),
        users: 1,
        tags: 1,
        work: Some(THREADS.to_string()),
        on: Vec::new(),
        times: options.calls,
        compared: ("time", |round| round.time),
    }
}

/// The rows of all clients that can do this.
fn measure(
    server: &Server,
    callers: &[Caller],
    load: &Load<'_>,
    options: &Options,
) -> Result<Vec<Row>, Error> {
    let callers = callers
        .iter()
        .filter(|it| load.work.is_none() || it.counted.is_some());
    let callers = Vec::from_iter(callers);
    let mut clients = Vec::new();
    for caller in &callers {
        clients.push(Client::start(&mut load.command(&caller.timed))?);
    }
    let mut rounds: Vec<Vec<Round>> = Vec::new();
    for round in 0..options.rounds {
        // each goes first in its turn, so that none always finds the caches as the same other left them
        let first = round % clients.len();
        clients.rotate_left(first);
        let figures = clients.iter_mut().map(|client| -> Result<Round, Error> {
            let figures = client.measure(load.times)?;
            let body_bytes = server.last_body();
            Ok(Round {
                body_bytes,
                ..figures
            })
        });
        let mut figures = figures.collect::<Result<Vec<_>, _>>()?;
        clients.rotate_right(first);
        figures.rotate_right(first);
        rounds.push(figures);
    }
    for (client, caller) in clients.iter().zip(&callers) {
        caller
            .library
            .iter()
            .try_for_each(|it| client.has_loaded(it))?;
    }
    drop(clients);
    let is_bulk = load.work.as_deref() == Some("bulk");
    let counted = if is_bulk { 1 } else { COUNTED };
    let rows = callers.iter().enumerate().map(|(at, caller)| {
        let peer = callers.iter().position(|it| Some(it.name) == caller.peer);
        let peer = peer.zip(caller.peer);
        let allocated: Option<Allocated> = match &caller.counted {
            Some(program) => Some(Client::start(&mut load.command(program))?.measure(counted)?),
            None => None,
        };
        let system_calls = || caller::system_calls(&load.command(&caller.timed), COUNTED);
        Ok(Row::new(
            load,
            caller.name,
            &rounds,
            (at, peer),
            allocated,
            load.work.is_none().then(system_calls).flatten(),
        ))
    });
    rows.collect()
}
