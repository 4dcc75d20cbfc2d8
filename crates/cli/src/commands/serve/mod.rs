//! `imtag serve`: the service's own calls on this host, until SIGTERM or Ctrl-C. SIGHUP reads settings and secrets anew.
//!
//! The main thread takes the signals, and another one serves: so nothing of this process wakes while nobody calls.

mod entry;
mod folders;
mod listeners;
mod predecessor;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use imtag_local_server::notify::{READY, STOPPING, WATCHDOG, notify, reloading};
use imtag_local_server::{Names, raise_open_files, runtime};
use imtag_serve::{Access, Daemon, Limits, Listener, Queue, Settings};
use imtag_transport::Client;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::level_filters::LevelFilter;

use super::context::{Context, or_demo};
use super::exports::{absolute, write_exports};
use crate::args::ServeArgs;
use crate::exit::{CommandError, Exit};
#[cfg(feature = "emulator")]
use crate::import::Demo;
use crate::output::{Format, Show, count, log, note_error, note_warning};
use crate::settings::{OfDaemon, builder, of_daemon};
use entry::Entry;
use folders::Folders;

/// Connections are kept so far below the open files that are allowed, for what else the process opens: its own connections
/// to the service, above all.
const OTHER_FILES: u64 = 1_100;
/// So many are taken however few files are allowed.
const CONNECTIONS_AT_LEAST: usize = 64;
/// More callers than that wait.
const CONNECTIONS_AT_MOST: usize = 20_000;

/// What is printed of a running daemon. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Running {
    /// Its calls go to an emulator in this process.
    demo: bool,
    socket: Option<PathBuf>,
    /// The others are of TCP.
    endpoint: Option<String>,
    sdkappid: u32,
    local_key_file: Option<PathBuf>,
    /// None without TLS.
    ca_file: Option<PathBuf>,
    /// None where no changes are taken that last.
    queue_folder: Option<PathBuf>,
}

pub(super) fn run(context: &Context<'_>, arguments: &ServeArgs) -> Result<Exit, CommandError> {
    let denied = || CommandError::machine("cannot serve");
    let runtime = runtime("serve", 1).map_err(denied())?;
    let entered = runtime.enter();
    // first of all, as it changes the environment, which threads may read
    let mut listeners = listeners::inherited()?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(denied())?;
    let files = raise_open_files().map_err(denied())?;
    #[cfg(feature = "emulator")]
    let demo = demo(context, arguments)?;
    #[cfg(feature = "emulator")]
    let client = demo.as_ref().map(|demo| demo.client.clone());
    #[cfg(not(feature = "emulator"))]
    let client: Option<Client> = None;
    let is_demo = client.is_some();
    let (made, told) = told(context, is_demo).map_err(or_demo)?;
    let client = client.or(made).expect("a demo has its own client");
    told.log(context);
    let sdkappid = client.sdkappid().get();
    let inherited = listeners.len();
    listeners.extend(listeners::own(arguments, inherited > 0)?);
    drop(entered);
    let is_tcp = listeners.iter().any(|it| it.address().is_some());
    #[cfg(feature = "emulator")]
    let of_demo = demo.as_ref().map(Demo::data_folder);
    #[cfg(not(feature = "emulator"))]
    let of_demo = None;
    let folders = Folders::new(arguments, is_tcp, of_demo)?;
    let entry = Entry::new(arguments, &listeners, folders.of_entry())?;
    let queue = folders.queue(arguments, client.sdkappid())?;
    let fault = Fault::default();
    if let Some(queue) = &queue {
        let fault = fault.clone();
        queue.on_broken(move || fault.ends_daemon());
    }
    let late_file = predecessor::file(folders.of_entry(), &listeners[inherited..]);
    let settings = Settings {
        demo: is_demo,
        ..settings(
            entry.as_ref(),
            &told,
            connections(files, listeners.len()),
            queue,
        )?
    };
    let queue_folder = folders.queue_folder().map(absolute).transpose()?;
    let ca_file = entry.as_ref().and_then(Entry::ca_file);
    let local_key_file = entry.as_ref().map(Entry::local_key_file);
    let socket = listeners.iter().find_map(Listener::path);
    let running = Running {
        demo: is_demo,
        socket: socket.map(|path| std::path::absolute(&path).unwrap_or(path)),
        endpoint: entry.as_ref().map(Entry::endpoint),
        sdkappid,
        local_key_file: local_key_file.as_deref().map(absolute).transpose()?,
        ca_file: ca_file.as_deref().map(absolute).transpose()?,
        queue_folder,
    };
    let daemon = Daemon::new(client, settings);
    // a demo's service ends with it
    let place = (!is_demo).then(|| predecessor::succeed(&daemon, late_file));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = daemon.clone();
    let grace = arguments.grace;
    // those who have waited at a socket that was handed on are answered, too
    daemon.ready();
    let ends = EndsDaemon(fault.clone());
    let serving = thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            let _ends = ends;
            runtime.block_on(async move {
                let mut accepting = JoinSet::new();
                for listener in listeners {
                    let daemon = served.clone();
                    accepting.spawn(async move { daemon.accept(listener).await });
                }
                tokio::spawn(watchdog());
                tokio::select! {
                    // ends, too, where the main thread does
                    _ = stopped => {}
                    () = panics(&mut accepting) => {}
                }
                served.drain(grace).await
            })
        });
    let serving = serving.map_err(denied())?;
    context.output.show(&running)?;
    notify(READY);
    let ends = EndsDaemon(fault.clone());
    let successors = succeed(daemon.clone(), ends).map_err(denied())?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        notify(&reloading());
        match reload(context, is_demo, &daemon, sdkappid, entry.as_ref()) {
            Ok(Some(client)) => {
                // the calls of the one before may take their time, for which the next signal need not wait
                let _ = successors.send(client);
                continue;
            }
            Ok(None) => {}
            Err(error) => note_error(format_args!(
                "{}; the daemon goes on as before",
                error.sentence
            )),
        }
        notify(READY);
    }
    notify(STOPPING);
    // the next one ends the process at once
    let ends = |_| std::process::exit(Exit::Interrupted.code().into());
    let again = move || signals.forever().find(|signal| *signal != SIGHUP).map(ends);
    let _ = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(again);
    let _ = stop.send(());
    let unsettled = daemon.drain_queue(Instant::now() + grace);
    // a daemon that takes this one's place starts while this one answers what is under way
    drop(folders);
    if unsettled > 0 && !fault.is_there() {
        let changes = count(unsettled, "change waits", "changes wait");
        let then = match (is_demo, unsettled) {
            (true, 1) => "and goes with the demo",
            (true, _) => "and go with the demo",
            (false, 1) => "and is sent when the daemon runs again",
            (false, _) => "and are sent when the daemon runs again",
        };
        note_warning(format_args!("{changes} in the queue, {then}"));
    }
    let cut = serving.join();
    let cut = cut.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if let Some(place) = place {
        place.leave(&daemon);
    }
    if cut > 0 {
        let connections = count(cut, "connection was", "connections were");
        note_warning(format_args!(
            "{connections} cut off, as the time of grace was up"
        ));
    }
    if fault.is_there() {
        let why = "a fault of imtag has ended a part of the daemon, and so all of it, which is to be started again: what was accepted \
                   for the queue is on the disk; report what stands above";
        return Err(CommandError::new(Exit::Unavailable, why));
    }
    Ok(Exit::Done)
}

/// Of this program, in a part without which the daemon cannot do its work: it ends as by SIGTERM, and one that is started
/// again is whole.
#[derive(Clone, Default)]
struct Fault(Arc<AtomicBool>);

impl Fault {
    fn is_there(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn ends_daemon(&self) {
        self.0.store(true, Ordering::SeqCst);
        // it fails where no handler is there, and then ends the process all the same
        let _ = signal_hook::low_level::raise(SIGTERM);
    }
}

/// Of a thread: its panic ends the daemon.
struct EndsDaemon(Fault);

impl Drop for EndsDaemon {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.ends_daemon();
        }
    }
}

#[cfg(feature = "emulator")]
fn demo(context: &Context<'_>, arguments: &ServeArgs) -> Result<Option<Demo>, CommandError> {
    if !arguments.demo {
        return Ok(None);
    }
    context.refuse_settings_of_a_demo()?;
    Demo::start().map(Some)
}

/// Panics where a listener's task does, whose callers would wait for ever.
async fn panics(accepting: &mut JoinSet<()>) {
    while let Some(ended) = accepting.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    std::future::pending::<()>().await;
}

/// Tells the init system, where it asks for that, that calls are still served: by the thread that serves them.
async fn watchdog() {
    let Some(at_least) = imtag_local_server::notify::watchdog() else {
        return;
    };
    loop {
        tokio::time::sleep(at_least / 2).await;
        notify(WATCHDOG);
    }
}

/// What the settings say now: a client, which a demo has by itself, and the rest.
fn told(context: &Context<'_>, is_demo: bool) -> Result<(Option<Client>, OfDaemon), CommandError> {
    if is_demo {
        // it reads no file
        return Ok((None, of_daemon(&context.cli.settings)?));
    }
    let config = context.settings()?;
    let client = builder(&config, context.timeout()).build()?;
    Ok((Some(client), of_daemon(&config)?))
}

impl OfDaemon {
    /// Logs as the settings say, where the command line does not.
    fn log(&self, context: &Context<'_>) {
        let level = match context.cli.verbose {
            0 => self.log_level.unwrap_or(LevelFilter::OFF),
            verbose => log::level(verbose),
        };
        let format = context.cli.log_format.or(self.log_format);
        log::set(level, format.unwrap_or(Format::Text));
    }
}

/// Has the daemon send by one client after the other, each once the calls of the one before have ended.
fn succeed(daemon: Daemon, ends: EndsDaemon) -> io::Result<Sender<Client>> {
    let (sender, clients) = channel::<Client>();
    let serve = move || {
        let _ends = ends;
        while let Ok(client) = clients.recv() {
            // of several, the one that was made last
            let client = clients.try_iter().last().unwrap_or(client);
            daemon.send_by(client);
            if !daemon.is_draining() {
                notify(READY);
            }
        }
    };
    let thread = thread::Builder::new().name("reload".to_owned());
    thread.spawn(serve)?;
    Ok(sender)
}

/// Reads settings and secrets anew, and then takes all of them, or none. Returns the client that is to send from now on.
fn reload(
    context: &Context<'_>,
    is_demo: bool,
    daemon: &Daemon,
    sdkappid: u32,
    entry: Option<&Entry<'_>>,
) -> Result<Option<Client>, CommandError> {
    let (client, told) = told(context, is_demo)?;
    if client
        .as_ref()
        .is_some_and(|client| client.sdkappid().get() != sdkappid)
    {
        let why = "the settings name another app: restart the daemon for it";
        return Err(CommandError::new(Exit::Settings, why));
    }
    let access = access(entry, &told)?;
    let authority = entry.map(Entry::authority).transpose()?.flatten();
    if let Some(authority) = authority {
        daemon.renew_certificate(authority);
    }
    daemon.admit(access);
    told.log(context);
    Ok(client)
}

fn access(entry: Option<&Entry<'_>>, told: &OfDaemon) -> Result<Access, CommandError> {
    match entry {
        Some(entry) => entry.access(told.token_file.as_deref()),
        None => Ok(Access::new()),
    }
}

/// How many connections each listener may have, for so many open files: none takes those of another.
fn connections(files: Option<u64>, listeners: usize) -> usize {
    let most = files.map_or(CONNECTIONS_AT_MOST, |files| {
        usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
    });
    let most = most.clamp(CONNECTIONS_AT_LEAST, CONNECTIONS_AT_MOST);
    most / listeners.max(1)
}

fn settings(
    entry: Option<&Entry<'_>>,
    told: &OfDaemon,
    connections: usize,
    queue: Option<Queue>,
) -> Result<Settings, CommandError> {
    let limits = Limits {
        connections,
        ..Limits::default()
    };
    let Some(entry) = entry else {
        let here = std::net::IpAddr::from([127, 0, 0, 1]);
        let names = Names::new(&[], "localhost:0", here, &[]).map_err(CommandError::usage)?;
        return Ok(Settings {
            access: Access::new(),
            names,
            tls: None,
            limits,
            demo: false,
            queue,
        });
    };
    Ok(Settings {
        access: access(Some(entry), told)?,
        names: entry.names()?,
        tls: entry.authority()?,
        limits,
        demo: false,
        queue,
    })
}

impl Show for Running {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.demo {
            writeln!(
                out,
                "The daemon takes calls for a demo until Ctrl-C: an emulator in this process\nanswers them, and keeps nothing."
            )?;
        } else {
            let app = self.sdkappid;
            writeln!(out, "The daemon takes calls for app {app} until Ctrl-C.")?;
        }
        if let Some(socket) = &self.socket {
            writeln!(out, "  socket    {}", socket.display())?;
        }
        if let Some(folder) = &self.queue_folder {
            writeln!(out, "  queue     {}", folder.display())?;
        }
        let Some(endpoint) = &self.endpoint else {
            return Ok(());
        };
        writeln!(
            out,
            "  endpoint  {endpoint}\nOver TCP a caller signs with the local key, as if it were the app's. To call\nit by imtag itself, in another terminal:\n"
        )?;
        let path = |path: &PathBuf| path.display().to_string();
        write_exports(
            out,
            [
                ("IMTAG_ENDPOINT", Some(endpoint.clone())),
                ("IMTAG_SDKAPPID", Some(self.sdkappid.to_string())),
                ("IMTAG_IDENTIFIER", Some("administrator".to_owned())),
                (
                    "IMTAG_SECRET_KEY_FILE",
                    self.local_key_file.as_ref().map(path),
                ),
                ("IMTAG_CA_FILE", self.ca_file.as_ref().map(path)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_which_nothing_is_served_ends_the_daemon_by_its_panic() {
        let mut signals = Signals::new([SIGTERM]).unwrap();
        let fault = Fault::default();
        let ends = EndsDaemon(fault.clone());
        let thread = thread::spawn(move || {
            let _ends = ends;
            let runtime = runtime("test", 1).unwrap();
            runtime.block_on(async {
                let mut accepting = JoinSet::new();
                accepting.spawn(std::future::pending());
                accepting.spawn(async { panic!("as a listener's task could") });
                panics(&mut accepting).await;
            });
        });
        assert_eq!(signals.forever().next(), Some(SIGTERM));
        assert!(thread.join().is_err() && fault.is_there());
    }

    #[test]
    fn listeners_share_the_connections_that_the_open_files_allow() {
        for (files, listeners, expected) in [
            (Some(1_024), 1, 64),
            (Some(1_024), 2, 32),
            (Some(3_100), 2, 1_000),
            (Some(1 << 20), 2, 10_000),
            (None, 1, 20_000),
        ] {
            assert_eq!(connections(files, listeners), expected, "{files:?}");
        }
    }
}
