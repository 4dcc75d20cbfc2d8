//! The running emulator: a thread that drives it, and what a test in the same process can do to it and read from it.
//!
//! Everything asynchronous stays on the emulator's own threads, so it can be started and dropped anywhere, also where
//! another runtime is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use imtag_core::{SdkAppId, SecretKey};
use imtag_local_server::{Authority, Limits, Listener, runtime};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::error::{DataError, StartError};
use crate::fault::Fault;
use crate::fault_json::{self, BadOrder};
use crate::fault_queue::{ProbabilisticFault, StandingFault};
use crate::handler::Context;
use crate::log::Arrived;
use crate::quota::Stats;
use crate::request::BODY_BYTES_AT_MOST;
use crate::router;
use crate::server::Server;
use crate::service::Service;
use crate::target::Target;

const THREADS: &str = "imtag-emulator";
/// Tasks never block, so this is only reached where the system starves the threads.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The service on this machine. It runs until it is dropped or stopped.
///
/// All methods take `&self` and can be called from any thread.
pub struct Emulator {
    service: Arc<Service>,
    address: SocketAddr,
    tls: Option<Arc<Authority>>,
    secret_key_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    connections: imtag_local_server::Server,
    running: Mutex<Option<Running>>,
    stopped: Arc<Stopped>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Whether it has stopped, and what is notified when it has.
type Stopped = (Mutex<bool>, Condvar);

impl Emulator {
    pub(crate) fn launch(
        address: SocketAddr,
        context: Context,
        tls: Option<Arc<Authority>>,
        secret_key_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
    ) -> Result<Emulator, StartError> {
        let runtime = runtime(THREADS, workers()).map_err(StartError::Threads)?;
        let listener = {
            let _within = runtime.enter();
            let refused = |source| StartError::Listen { address, source };
            Listener::tcp(address).map_err(refused)?
        };
        let address = listener.address().unwrap_or(address);
        let service = Arc::clone(&context.service);
        let connections = imtag_local_server::Server::new(limits(context.read_timeout));
        let server = Server {
            router: router::router(context.clone()),
            context,
            tls: tls.clone(),
        };
        let accepting = {
            let connections = connections.clone();
            async move {
                let serve = |connection| {
                    let server = server.clone();
                    server.context.service.state().counts.connections += 1;
                    server.serve(connection)
                };
                connections.accept(listener, serve).await;
            }
        };
        let stopped = Arc::new(Stopped::default());
        let running = run(runtime, accepting, Arc::clone(&stopped));
        Ok(Emulator {
            service,
            address,
            tls,
            secret_key_file,
            ca_file,
            connections,
            running: Mutex::new(Some(running.map_err(StartError::Threads)?)),
            stopped,
        })
    }

    /// The address that it listens on, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The start of a URL for it: `http://127.0.0.1:PORT`, or `https://…` with TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut reachable = self.address;
        match reachable.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => reachable.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => reachable.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("{scheme}://{reachable}")
    }

    /// The certificate to trust, in PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.ca_pem())
    }

    /// The file of that certificate, if the data are to last: it stays the same for ten years.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// The app that it serves.
    #[must_use]
    pub fn sdkappid(&self) -> SdkAppId {
        self.service.app.sdkappid
    }

    /// The app's administrator.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.service.app.identifier
    }

    /// The file that the app's key is kept in, if the data are to last and the builder was given none.
    #[must_use]
    pub fn secret_key_file(&self) -> Option<&Path> {
        self.secret_key_file.as_deref()
    }

    /// The app's key, to sign UserSigs with.
    #[must_use]
    pub fn secret_key(&self) -> &SecretKey {
        &self.service.app.secret_key
    }

    /// Puts a fault at the end of a queue: a path's, a route's, or an operation's.
    pub fn fault(&self, target: impl Into<Target>, fault: Fault) {
        self.faults(target, [fault]);
    }

    /// Puts faults at the end of a queue: a path's, a route's, or an operation's. No request comes between them.
    pub fn faults(&self, target: impl Into<Target>, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        self.service.state().faults.push(target.into(), faults);
    }

    /// Adds a fault that stays until it is removed, behind the other standing faults; returns its number.
    pub fn add_standing(&self, fault: ProbabilisticFault) -> u64 {
        self.service.state().faults.add_standing(fault)
    }

    /// The standing faults, in the order in which they are tried.
    #[must_use]
    pub fn standing(&self) -> Vec<StandingFault> {
        self.service.state().faults.standing().to_vec()
    }

    /// Removes a standing fault by its number; false where none has it.
    pub fn remove_standing(&self, number: u64) -> bool {
        self.service.state().faults.remove_standing(number)
    }

    /// Removes all faults, those that stand and those that wait. A request that has taken one already keeps it.
    pub fn remove_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Puts faults as JSON orders them, which is what `POST /emulator/faults` takes; answers the numbers of those that
    /// stand.
    ///
    /// # Errors
    /// Where it is no such order; no fault is put then.
    pub fn faults_by_json(&self, order: &[u8]) -> Result<Vec<u64>, BadOrder> {
        let (_, standing) = self.service.put(fault_json::read(order)?);
        Ok(standing)
    }

    /// What chance is drawn from: see [`Builder::seed`](crate::Builder::seed).
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.service.settings.seed
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.service.stats()
    }

    /// The tags of one user; none for an account that has none, or that was never named.
    #[must_use]
    pub fn user(&self, account: &str) -> BTreeSet<String> {
        let mut state = self.service.state();
        state.store.tags(account).map(ToString::to_string).collect()
    }

    /// Gives a user tags, beside those that it has: a state to start from. No limit holds here.
    pub fn tag<T: Into<String>>(&self, account: &str, tags: impl IntoIterator<Item = T>) {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        self.service.tag(account, &tags);
    }

    /// All users that have tags, each with them.
    #[must_use]
    pub fn users(&self) -> BTreeMap<String, BTreeSet<String>> {
        let state = self.service.state();
        let users = state.store.users_after(None);
        users
            .map(|(account, tags)| (account.to_owned(), tags.map(str::to_owned).collect()))
            .collect()
    }

    /// What arrived, oldest first: the last 10,000 requests, fewer where they are large.
    #[must_use]
    pub fn requests(&self) -> Vec<Arrived> {
        self.service.requests()
    }

    /// Forgets everything: tags, counts, faults, requests, and what was drawn by chance, so that the seed brings it
    /// again. A request that is under way has no effect any more.
    ///
    /// # Errors
    /// Where the data's folder does not take it; nothing is forgotten then. Without such a folder it always succeeds.
    pub fn reset(&self) -> Result<(), DataError> {
        self.service.reset()
    }

    /// Closes all connections, as a gateway that restarts does. New ones are taken.
    pub fn disconnect(&self) {
        self.connections.disconnect();
    }

    /// Waits until no request is being handled or held in a delay, so that no effect is still to come; false where
    /// that took longer than `timeout`.
    #[must_use]
    pub fn settle(&self, timeout: Duration) -> bool {
        self.service.settle(timeout)
    }

    /// Waits until it is stopped.
    pub fn wait(&self) {
        let (stopped, notified) = &*self.stopped;
        notified.wait_while(&mut stopped.lock(), |done| !*done);
    }

    /// Stops it: connections are closed, requests under way dropped, and the port and the data's folder are free when
    /// this returns. What it knows can still be read. Dropping it does the same.
    pub fn stop(&self) {
        let mut running = self.running.lock();
        if let Some(Running { stop, thread }) = running.take() {
            // The thread ends either way, and there is nothing to do about a panic of it.
            let _ = stop.send(());
            let _ = thread.join();
            let disk = self.service.state().disk.take();
            drop(disk);
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("endpoint", &self.endpoint())
            .field("sdkappid", &self.sdkappid())
            .finish_non_exhaustive()
    }
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(4))
}

/// Callers wait as long as they like for what a fault brings them, and as many as come are served.
fn limits(read_timeout: Duration) -> Limits {
    Limits {
        connections: usize::MAX,
        head: read_timeout,
        idle: read_timeout,
        body_bytes: BODY_BYTES_AT_MOST,
        bodies_bytes: usize::MAX,
        body: read_timeout,
        write: Duration::MAX,
        ..Limits::default()
    }
}

/// Drives the runtime on a thread of its own: a runtime must not be dropped within another one.
fn run(
    runtime: Runtime,
    accepting: impl Future<Output = ()> + Send + 'static,
    stopped: Arc<Stopped>,
) -> std::io::Result<Running> {
    let (stop, until_stopped) = oneshot::channel();
    let drive = move || {
        runtime.spawn(accepting);
        // An error says that the emulator is gone, which is a reason to stop too.
        let _ = runtime.block_on(until_stopped);
        runtime.shutdown_timeout(STOP_TIMEOUT);
        *stopped.0.lock() = true;
        stopped.1.notify_all();
    };
    let thread = thread::Builder::new().name(THREADS.to_owned());
    let thread = thread.spawn(drive)?;
    Ok(Running { stop, thread })
}
