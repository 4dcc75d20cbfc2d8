//! How many requests of 100 users each the emulator answers in a second, beside the client that sends them:
//! `cargo run --release -p imtag-emulator --example load -- [SECONDS [FOLDER]]`, with its data in the folder.
//!
//! The client writes its requests by hand over plain sockets, so that nearly all of the time is the emulator's.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, UserSig};
use imtag_emulator::Emulator;

const CONNECTIONS: u64 = 16;
const USERS: u64 = 1_000_000;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let mut builder = Emulator::builder().calls_per_second(u32::MAX);
    if let Some(folder) = arguments.next() {
        builder = builder.data(folder);
    }
    let started = Instant::now();
    let emulator = builder.start()?;
    let users = emulator.stats().users_with_tags;
    println!("started with {users} users in {:?}", started.elapsed());

    let path = request_line(&emulator)?;
    let answered = AtomicU64::new(0);
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let client = &|number| call_until(until, &emulator, &path, number, &answered);
    thread::scope(|scope| {
        let start = |number| scope.spawn(move || client(number));
        let clients: Vec<_> = (0..CONNECTIONS).map(start).collect();
        let ended = |client: ScopedJoinHandle<'_, _>| client.join().expect("no client panics");
        clients.into_iter().try_for_each(ended)
    })?;
    let answered = answered.into_inner();
    println!(
        "{:.0} requests/s of 100 users each ({answered} in {seconds} s)",
        answered as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn request_line(emulator: &Emulator) -> Result<String, Failure> {
    let identifier = Identifier::new(emulator.identifier())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let day = Duration::from_secs(86_400);
    let usersig = UserSig::sign(
        emulator.secret_key(),
        emulator.sdkappid(),
        &identifier,
        day,
        now,
    );
    Ok(format!(
        "POST /v4/all_member_push/im_add_tag?sdkappid={}&identifier={}&usersig={}&random=1&contenttype=json HTTP/1.1",
        emulator.sdkappid(),
        emulator.identifier(),
        usersig.expose()
    ))
}

fn call_until(
    until: Instant,
    emulator: &Emulator,
    line: &str,
    number: u64,
    answered: &AtomicU64,
) -> Result<(), Failure> {
    let mut stream = BufReader::new(TcpStream::connect(emulator.address())?);
    stream.get_ref().set_nodelay(true)?;
    let mut random = number + 1;
    while Instant::now() < until {
        let users: Vec<String> = (0..100)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let user = (random >> 33) % USERS;
                format!(
                    r#"{{"To_Account":"user{user:08}","Tags":["vip","beijing","t{}"]}}"#,
                    user % 50
                )
            })
            .collect();
        let body = format!(r#"{{"UserTags":[{}]}}"#, users.join(","));
        let request = format!(
            "{line}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = receive(&mut stream)?;
        if !answer.contains("\"OK\"") {
            return Err(answer.into());
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn receive(stream: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.trim_end().parse()?;
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}
