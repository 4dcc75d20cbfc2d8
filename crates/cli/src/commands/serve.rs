//! `imtag serve`: the service's own calls on this host, until SIGTERM or Ctrl-C. SIGHUP reads settings and secrets anew.
//!
//! The main thread takes the signals, and another one serves: so nothing of this process wakes while nobody calls.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use imtag_local_server::{Names, raise_open_files, runtime};
use imtag_serve::{Access, Daemon, Limits, Listener, Settings, UnixAccess};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::oneshot;

use super::context::Context;
use crate::args::ServeArgs;
use crate::exit::{CommandError, Exit};
#[cfg(feature = "emulator")]
use crate::import::Demo;
use crate::output::{Show, note_error, note_warning};

/// Connections are kept so far below the open files that are allowed, for what else the process opens: its own connections
/// to the service, above all.
const OTHER_FILES: u64 = 1_100;
/// More callers than that wait.
const CONNECTIONS_AT_MOST: usize = 20_000;

/// What is printed of a running daemon. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Running {
    socket: Option<PathBuf>,
    endpoint: Option<String>,
    sdkappid: u32,
}

pub(super) fn run(context: &Context<'_>, arguments: &ServeArgs) -> Result<Exit, CommandError> {
    let denied = || CommandError::machine("cannot serve");
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(denied())?;
    let files = raise_open_files().map_err(denied())?;
    #[cfg(feature = "emulator")]
    let demo = arguments.demo.then(Demo::start).transpose()?;
    #[cfg(feature = "emulator")]
    let client = demo.as_ref().map(|demo| demo.client.clone());
    #[cfg(not(feature = "emulator"))]
    let client = None;
    let is_demo = client.is_some();
    let client = client.map_or_else(|| context.client(), Ok)?;
    let sdkappid = client.sdkappid().get();
    let runtime = runtime("serve", 1).map_err(denied())?;
    let entered = runtime.enter();
    let listeners = listeners(arguments)?;
    drop(entered);
    let running = Running {
        socket: listeners.iter().find_map(Listener::path),
        endpoint: None,
        sdkappid,
    };
    let daemon = Daemon::new(client, settings(files)?);
    let (stop, stopped) = oneshot::channel::<()>();
    let served = daemon.clone();
    let grace = arguments.grace;
    let serving = thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                for listener in listeners {
                    let daemon = served.clone();
                    tokio::spawn(async move { daemon.accept(listener).await });
                }
                // ends, too, where the main thread does
                let _ = stopped.await;
                served.drain(grace).await
            })
        });
    let serving = serving.map_err(denied())?;
    daemon.ready();
    context.output.show(&running)?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        if is_demo {
            continue;
        }
        match context.client() {
            Ok(client) if client.sdkappid().get() != sdkappid => {
                note_error(
                    "the settings name another app: restart the daemon for it; it goes on as before",
                );
            }
            Ok(client) => daemon.reload(client, Access::new()),
            Err(error) => note_error(format_args!(
                "{}; the daemon goes on as before",
                error.sentence
            )),
        }
    }
    // the next one ends the process at once
    let ends = |_| std::process::exit(Exit::Interrupted.code().into());
    let again = move || signals.forever().find(|signal| *signal != SIGHUP).map(ends);
    let _ = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(again);
    let _ = stop.send(());
    match serving.join() {
        Ok(0) => Ok(Exit::Done),
        Ok(cut) => {
            note_warning(format_args!(
                "{cut} connections were cut off, as the time of grace was up"
            ));
            Ok(Exit::Done)
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn settings(files: Option<u64>) -> Result<Settings, CommandError> {
    let most = files.map_or(CONNECTIONS_AT_MOST, |files| {
        usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
    });
    let limits = Limits {
        connections: most.clamp(64, CONNECTIONS_AT_MOST),
        ..Limits::default()
    };
    let here = std::net::IpAddr::from([127, 0, 0, 1]);
    let names = Names::new(&[], "localhost:0", here, &[]).map_err(CommandError::usage)?;
    Ok(Settings {
        access: Access::new(),
        names,
        tls: None,
        limits,
    })
}

/// Those that the process was started with, or else the socket.
fn listeners(arguments: &ServeArgs) -> Result<Vec<Listener>, CommandError> {
    let inherited = Listener::inherited();
    let inherited = inherited.map_err(CommandError::machine(
        "cannot take the sockets of LISTEN_FDS",
    ))?;
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let path = match &arguments.socket {
        Some(path) => path.clone(),
        None => default_socket(),
    };
    let access = UnixAccess {
        mode: 0o660,
        group: arguments.group.as_deref().map(group).transpose()?,
    };
    let listener = Listener::unix(&path, access).map_err(|error| not_listening(&path, &error))?;
    Ok(vec![listener])
}

fn not_listening(path: &std::path::Path, error: &io::Error) -> CommandError {
    let path = path.display();
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another process listens on {path}: end it, or give another path (--socket)")
        }
        io::ErrorKind::AlreadyExists => {
            format!("{path} is there already, and no socket: give another path (--socket)")
        }
        io::ErrorKind::NotFound => {
            format!("the folder of {path} is not there: make it, or give another path (--socket)")
        }
        _ => format!("cannot listen on {path}: {error}"),
    };
    CommandError::new(Exit::Unavailable, why)
}

fn default_socket() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").filter(|it| !it.is_empty());
    own.map_or_else(
        || PathBuf::from("/run/imtag/imtag.sock"),
        |folder| PathBuf::from(folder).join("imtag.sock"),
    )
}

/// A group by its number, or by its name in /etc/group.
fn group(given: &str) -> Result<u32, CommandError> {
    if let Ok(number) = given.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group");
    let groups = groups.map_err(CommandError::machine("cannot read /etc/group"))?;
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(given)).then(|| fields.nth(1)?.parse().ok())?
    });
    number
        .ok_or_else(|| CommandError::usage(format_args!("--group {given}: there is no such group")))
}

impl Show for Running {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "The daemon takes calls for app {} until Ctrl-C.",
            self.sdkappid
        )?;
        if let Some(socket) = &self.socket {
            writeln!(out, "  socket    {}", socket.display())?;
        }
        if let Some(endpoint) = &self.endpoint {
            writeln!(out, "  endpoint  {endpoint}")?;
        }
        Ok(())
    }
}
