//! The clients in Rust that `cargo xtask bench call` measures. Each makes the same calls, from the caller's texts to a
//! good answer. Two programs run them: `timed`, and `counted`, whose allocator counts.

mod client;
mod floor;
mod ours;
mod ureq_client;

use std::io::{BufRead, stdin};
use std::thread;
use std::time::{Duration, Instant};

pub use client::Error;
use client::{Client, USERS_A_REQUEST, User};

/// What a program's arguments ask for.
pub struct Load {
    users: Vec<User>,
    /// One for each thread. They share what they can.
    clients: Vec<Box<dyn Client>>,
    is_bulk: bool,
    times: Vec<Duration>,
}

/// A program: `work` for each line with a number that it reads, of which it prints a line.
///
/// # Errors
/// If the program's arguments name no client, or a call fails.
pub fn program(
    mut work: impl FnMut(&mut Load, usize) -> Result<String, Error>,
) -> Result<(), Error> {
    let mut load = Load::from_arguments()?;
    for line in stdin().lock().lines() {
        println!("{}", work(&mut load, line?.parse()?)?);
    }
    Ok(())
}

impl Load {
    /// Of the arguments `NAME ENDPOINT CA_FILE USERS TAGS`, and the number of threads where it is not 1, or `bulk`. The
    /// client has made a call, so it is connected.
    fn from_arguments() -> Result<Load, Error> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [name, endpoint, ca_file, count, tags, work @ ..] = arguments.as_slice() else {
            return Err("which client, endpoint, CA file, users and tags?".into());
        };
        let users = users(count.parse()?, tags.parse()?);
        let mut client: Box<dyn Client> = match name.as_str() {
            "floor" => Box::new(floor::Floor::connect(endpoint, ca_file)?),
            "ureq" => Box::new(ureq_client::Ureq::new(endpoint, ca_file)?),
            "imtag" => Box::new(ours::Ours::new(endpoint, ca_file)?),
            _ => return Err(format!("there is no client {name}").into()),
        };
        client.call(&users[..users.len().min(USERS_A_REQUEST)])?;
        let is_bulk = work == ["bulk"];
        let threads = match work {
            [threads] if !is_bulk => threads.parse()?,
            _ => 1,
        };
        let others = (1..threads).map(|_| client.share());
        let mut clients = others.collect::<Result<Vec<_>, _>>()?;
        clients.push(client);
        Ok(Load {
            users,
            clients,
            is_bulk,
            times: Vec::new(),
        })
    }

    /// Makes so many calls on each thread, or so many bulk runs. How many calls that were, or users.
    ///
    /// # Errors
    /// If one of them fails.
    pub fn run(&mut self, times: usize) -> Result<usize, Error> {
        let (users, is_bulk) = (&self.users, self.is_bulk);
        self.times.clear();
        match self.clients.as_mut_slice() {
            [client] => work(&mut **client, users, is_bulk, times, &mut self.times)?,
            clients => thread::scope(|scope| -> Result<(), Error> {
                let threads = clients.iter_mut().map(|client| {
                    let mut took = Vec::new();
                    scope.spawn(move || {
                        work(&mut **client, users, is_bulk, times, &mut took).map(|()| took)
                    })
                });
                let threads: Vec<_> = threads.collect(); // all are started
                for thread in threads {
                    let took = thread.join().map_err(|_| "a caller panicked")?;
                    self.times.extend(took?);
                }
                Ok(())
            })?,
        }
        let each = if is_bulk { users.len() } else { 1 };
        Ok(self.times.len() * each)
    }

    /// The time that this part of the last calls took at most, in per cent; of bulk runs, a user's share of each.
    #[must_use]
    pub fn percentile(&mut self, per_cent: usize) -> Duration {
        self.times.sort_unstable();
        let at = self.times.len() * per_cent / 100;
        self.times.get(at).copied().unwrap_or_default()
    }
}

/// Makes calls or bulk runs, and notes how long each takes.
fn work(
    client: &mut dyn Client,
    users: &[User],
    is_bulk: bool,
    times: usize,
    took: &mut Vec<Duration>,
) -> Result<(), Error> {
    took.reserve(times);
    for _ in 0..times {
        let began = Instant::now();
        if is_bulk {
            client.bulk(users)?;
            took.push(began.elapsed() / u32::try_from(users.len())?);
        } else {
            client.call(users)?;
            took.push(began.elapsed());
        }
    }
    Ok(())
}

/// So many users with so many tags of 20 bytes each.
fn users(count: usize, tags: usize) -> Vec<User> {
    let users = (0..count).map(|user| User {
        account: format!("user{user:08}"),
        tags: (0..tags)
            .map(|tag| format!("tag{:03}-of-20-bytes..", (user + tag) % 100))
            .collect(),
    });
    users.collect()
}
