//! `cargo xtask bench call`: what one call costs over a connection that is already there, over the least that a program of
//! one's own costs; what it costs where 16 threads share a client; and what a user of a bulk run costs. Clients take turns
//! in rounds, each a process of its own, built as it is shipped. All of them and the server share one core, as on two a
//! call's time is mostly that of waking the other; the threads are also measured on all cores, where they can be in each
//! other's way.

mod client;
mod server;

use super::against::OtherCommit;
use super::options::Options;
use super::process::{all_cores, pin, two_cores};
use super::report::{Contender, Report, Table};
use crate::Error;
use client::{COUNTED, Client, Connected};
use server::Server;

/// Of a bulk run.
const BULK_USERS: u64 = 20_000;

/// Microseconds a call, or a user of a bulk run: the medians of what a round says. What is allocated, and the system calls,
/// are counted apart; none where this client or this machine cannot.
const COLUMNS: [(&str, &str); 7] = [
    ("p50", "us"),
    ("p99", "us"),
    ("CPU", "us"),  // of all threads of the client
    ("time", "us"), // of the whole round: where several threads call, it is less than a call takes
    ("allocs", ""),
    ("bytes", ""),
    ("syscalls", ""),
];

/// The same work for each client: a table.
struct Load<'s> {
    name: &'s str,
    endpoint: &'s str,
    users: u64,
    tags: u64,
    /// What the program is told beside these: the number of threads, or `bulk`. Only those in Rust know it.
    work: Option<&'s str>,
    /// The column of what is compared.
    compared: usize,
}

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let mut report = options.report();
    let other = OtherCommit::asked_for(options)?;
    let clients;
    (clients, report.missing) = client::built(&options.profile, other.as_ref())?;
    let [all, [_, last]] = [all_cores().map(|it| [it, it])?, two_cores()?];
    // its threads may use all cores, as it is not pinned yet
    let server_on_all = Server::start()?;
    pin(&last)?;
    let server = Server::start()?;
    let load = |name, endpoint, users, tags| Load {
        name,
        endpoint,
        users,
        tags,
        work: None,
        compared: 0,
    };
    let bulk = |name, tags| Load {
        work: Some("bulk"),
        compared: 2,
        ..load(name, &server.plain, BULK_USERS, tags)
    };
    let threads = |name, server| Load {
        work: Some("16"),
        compared: 3,
        ..load(name, server, 1, 1)
    };
    for load in [
        load("plain, small", &server.plain, 1, 1),
        load("plain, full", &server.plain, 100, 10),
        load("TLS, small", &server.tls, 1, 1),
        load("TLS, full", &server.tls, 100, 10),
        threads("16 threads", &server.plain),
        bulk("bulk run, 1 tag", 1),
        bulk("bulk run, 10 tags", 10),
    ] {
        report
            .tables
            .push(load.measure(&server, &clients, options)?);
    }
    pin(&all[0])?;
    let on_all = threads("16 threads, all cores", &server_on_all.plain);
    let table = on_all.measure(&server_on_all, &clients, options)?;
    report.tables.push(table);
    Ok(report)
}

impl Load<'_> {
    /// The rows of all clients that can do this.
    fn measure(
        &self,
        server: &Server,
        clients: &[Client],
        options: &Options,
    ) -> Result<Table, Error> {
        let able = |it: &&Client| self.work.is_none() || it.counted.is_some();
        let clients: Vec<&Client> = clients.iter().filter(able).collect();
        let is_bulk = self.work == Some("bulk");
        let [times, counted] = if is_bulk {
            [1, 1]
        } else {
            [options.amount, COUNTED]
        };
        let mut arguments = vec![self.endpoint.to_owned(), server.ca_file()];
        arguments.extend([self.users, self.tags].map(|count| count.to_string()));
        arguments.extend(self.work.map(str::to_owned));
        let mut contenders = Vec::new();
        for client in &clients {
            let mut connected = Connected::start(client.timed.command(&arguments))?;
            if let Some(library) = &client.library {
                connected.has_loaded(library)?;
            }
            contenders.push(Contender {
                name: client.name.to_owned(),
                over: client.over.clone(),
                measure: Box::new(move || {
                    let round: client::Round = connected.measure(times)?;
                    let figures = [round.p50, round.p99, round.cpu, round.time];
                    Ok(figures.map(|nanoseconds| nanoseconds / 1e3).into())
                }),
            });
        }
        let compared = ["p50", "p99", "CPU", "time"][self.compared];
        let title = format!("{}, × is of {compared}", self.name);
        let mut table = Table::new(&title, &COLUMNS);
        table.in_turn(options.rounds, self.compared, &mut contenders)?;
        drop(contenders);
        for (row, client) in clients.iter().enumerate() {
            let (mut allocations, mut bytes) = (None, None);
            if let Some(program) = &client.counted {
                let mut connected = Connected::start(program.command(&arguments))?;
                let allocated: client::Allocated = connected.measure(counted)?;
                (allocations, bytes) = (Some(allocated.allocations), Some(allocated.bytes));
            }
            let system_calls = self
                .work
                .is_none()
                .then(|| client.timed.system_calls(&arguments));
            table.set_last(row, [allocations, bytes, system_calls.flatten()]);
        }
        Ok(table)
    }
}
