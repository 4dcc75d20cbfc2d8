//! A daemon before an emulator, and callers at its socket or port.
#![allow(dead_code)] // each test file uses a part

pub(crate) mod durable;
pub(crate) mod http;
#[path = "../../../transport/tests/support/random.rs"]
pub(crate) mod random;
pub(crate) mod schema;
pub(crate) mod told;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use imtag_core::SecretKey;
use imtag_emulator::{Emulator, Generation};
use imtag_local_server::{Names, runtime};
use imtag_queue::{Queue, Settings as QueueSettings};
use imtag_serve::{Access, Daemon, Data, Limits, Listener, Settings, Times, UnixAccess};
use imtag_transport::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) use http::{Answer, Stream};

pub(crate) const ADD: &str = "/v4/all_member_push/im_add_tag";
pub(crate) const GET: &str = "/v4/all_member_push/im_get_tag";
pub(crate) const REMOVE: &str = "/v4/all_member_push/im_remove_tag";
pub(crate) const CLEAR: &str = "/v4/all_member_push/im_remove_all_tags";
pub(crate) const NEWER_ADD: &str = "/v4/timpush/add_tag";

/// What a daemon, and the service behind it, is to be.
pub(crate) struct Setup {
    pub(crate) generation: Generation,
    pub(crate) calls_per_second: u32,
    /// The daemon's part of them; all of them where none is given.
    pub(crate) share: Option<f64>,
    pub(crate) emulator: imtag_emulator::Builder,
    pub(crate) limits: Limits,
    pub(crate) times: Times,
    /// Who may call over TCP; nobody listens there without.
    pub(crate) access: Option<fn() -> Access>,
    /// By which it is reached over TCP, beside its own.
    pub(crate) names: Vec<String>,
    pub(crate) is_ready: bool,
    pub(crate) is_demo: bool,
    /// Of a queue for changes that last, if there is one.
    pub(crate) queue: Option<QueueSettings>,
}

impl Setup {
    pub(crate) fn new(generation: Generation) -> Setup {
        Setup {
            generation,
            calls_per_second: 100,
            share: None,
            emulator: Emulator::builder().unknown_accounts(["ghost"]),
            limits: Limits::default(),
            times: Times::default(),
            access: None,
            names: vec!["daemon.example".to_owned()],
            is_ready: true,
            is_demo: false,
            queue: None,
        }
    }

    /// With a queue.
    pub(crate) fn durable() -> Setup {
        Setup {
            calls_per_second: 1_000,
            queue: Some(QueueSettings::default()),
            ..Setup::new(Generation::AllMemberPush)
        }
    }
}

pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    generation: Generation,
    calls_per_second: f64,
    limits: Limits,
    times: Times,
    access: Option<fn() -> Access>,
    names: Vec<String>,
    is_ready: bool,
    is_demo: bool,
    queue: Option<QueueSettings>,
    running: Mutex<Option<Running>>,
    /// Until when requests of the daemon before may arrive.
    late_until: Mutex<Instant>,
    folder: TempDir,
}

/// A daemon that runs.
struct Running {
    /// Locked while it runs.
    queue: Option<Queue>,
    data: Option<Data>,
    daemon: Daemon,
    address: Option<SocketAddr>,
    stop: oneshot::Sender<Duration>,
    serving: JoinHandle<usize>,
}

impl Scene {
    pub(crate) fn new(generation: Generation) -> Scene {
        Scene::start(Setup::new(generation))
    }

    pub(crate) fn with_quota(generation: Generation, calls_per_second: u32) -> Scene {
        Scene::start(Setup {
            calls_per_second,
            ..Setup::new(generation)
        })
    }

    /// Lets these in at its port.
    pub(crate) fn with_access(access: fn() -> Access) -> Scene {
        Scene::start(Setup {
            access: Some(access),
            ..Setup::new(Generation::AllMemberPush)
        })
    }

    pub(crate) fn start(setup: Setup) -> Scene {
        let emulator = setup.emulator.calls_per_second(setup.calls_per_second);
        let scene = Scene {
            emulator: emulator.start().unwrap(),
            generation: setup.generation,
            calls_per_second: setup.share.unwrap_or(setup.calls_per_second.into()),
            limits: setup.limits,
            times: setup.times,
            access: setup.access,
            names: setup.names,
            is_ready: setup.is_ready,
            is_demo: setup.is_demo,
            queue: setup.queue,
            running: Mutex::new(None),
            late_until: Mutex::new(Instant::now()),
            folder: tempfile::tempdir().unwrap(),
        };
        scene.run();
        scene
    }

    /// Runs a daemon in place of the one that was ended.
    pub(crate) fn run(&self) {
        let here = IpAddr::from([127, 0, 0, 1]);
        let folder = self.folder.path().join("data");
        let data = self.queue.as_ref().map(|_| Data::open(&folder).unwrap());
        let queue = data.as_ref().zip(self.queue.clone());
        let queue =
            queue.map(|(data, limits)| data.queue(self.emulator.sdkappid(), limits).unwrap());
        let settings = Settings {
            queue: queue.clone(),
            access: self.access(),
            names: Names::new(&self.names, "localhost:0", here, &[]).unwrap(),
            tls: None,
            limits: self.limits.clone(),
            demo: self.is_demo,
        };
        let key = self.emulator.secret_key().clone();
        let daemon = Daemon::with_times(self.client(self.generation, key), settings, self.times);
        let late_until = *self.late_until.lock().unwrap();
        daemon.hold_changes(late_until.saturating_duration_since(Instant::now()));
        if self.is_ready {
            daemon.ready();
        }
        let runtime = runtime("serve", 1).unwrap();
        let entered = runtime.enter();
        let access = UnixAccess {
            mode: 0o600,
            group: None,
        };
        let mut listeners = vec![Listener::unix(&self.socket(), access).unwrap()];
        if self.access.is_some() {
            listeners.push(Listener::tcp((here, 0).into()).unwrap());
        }
        drop(entered);
        let address = listeners.iter().find_map(Listener::address);
        let (stop, stopped) = oneshot::channel::<Duration>();
        let served = daemon.clone();
        let serve = move || {
            runtime.block_on(async move {
                for listener in listeners {
                    let daemon = served.clone();
                    tokio::spawn(async move { daemon.accept(listener).await });
                }
                let grace = stopped.await.unwrap_or(Duration::from_secs(5));
                served.drain(grace).await
            })
        };
        let thread = std::thread::Builder::new().name("serve".to_owned());
        let serving = thread.spawn(serve).unwrap();
        let running = Running {
            data,
            queue,
            daemon,
            address,
            stop,
            serving,
        };
        let before = self.running.lock().unwrap().replace(running);
        assert!(before.is_none(), "two daemons");
    }

    /// Has the daemon send by a new client.
    pub(crate) fn reload(&self) {
        self.reload_with(self.emulator.secret_key().clone(), self.access());
    }

    /// The same by this key of the app, and lets in by other secrets.
    pub(crate) fn reload_with(&self, key: SecretKey, access: Access) {
        let running = self.running.lock().unwrap();
        let daemon = running.as_ref().map(|it| it.daemon.clone()).unwrap();
        drop(running);
        daemon.admit(access);
        daemon.send_by(self.client(self.generation, key));
    }

    /// Has the daemon send by a client of another generation.
    pub(crate) fn reload_to(&self, generation: Generation) {
        let running = self.running.lock().unwrap();
        let daemon = running.as_ref().map(|it| it.daemon.clone()).unwrap();
        drop(running);
        daemon.send_by(self.client(generation, self.emulator.secret_key().clone()));
    }

    /// Has the daemon hold changes back.
    pub(crate) fn hold_changes(&self, time: Duration) {
        let running = self.running.lock().unwrap();
        running.as_ref().unwrap().daemon.hold_changes(time);
    }

    pub(crate) fn ready(&self) {
        self.running
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .daemon
            .ready();
    }

    /// What the daemon keeps changes in.
    pub(crate) fn queue(&self) -> Queue {
        let running = self.running.lock().unwrap();
        running.as_ref().and_then(|it| it.queue.clone()).unwrap()
    }

    fn access(&self) -> Access {
        self.access.map_or_else(Access::new, |access| access())
    }

    fn client(&self, generation: Generation, key: SecretKey) -> Client {
        let emulator = &self.emulator;
        Client::builder(emulator.sdkappid().get(), emulator.identifier(), key)
            .endpoint(emulator.endpoint())
            .generation(generation)
            .calls_per_second(self.calls_per_second)
            .fresh_start(true)
            .build()
            .unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// A connection to the socket; fails while no daemon runs.
    pub(crate) fn try_connect(&self) -> std::io::Result<Stream> {
        Ok(Stream::Unix(UnixStream::connect(self.socket())?))
    }

    pub(crate) fn connect(&self) -> Stream {
        self.try_connect().unwrap()
    }

    /// A connection to the port.
    pub(crate) fn connect_by_tcp(&self) -> Stream {
        let running = self.running.lock().unwrap();
        let address = running.as_ref().and_then(|it| it.address);
        Stream::Tcp(TcpStream::connect(address.unwrap()).unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.send(path, "", &body)
    }

    pub(crate) fn post_within(&self, path: &str, body: &Value, seconds: &str) -> Answer {
        self.send(path, &format!("Imtag-Timeout: {seconds}\r\n"), body)
    }

    /// A request that was sent, whose answer is not read yet.
    pub(crate) fn begin(&self, path: &str, head: &str, body: &Value) -> Stream {
        let mut stream = self.connect();
        stream.say(http::post(path, head, body.to_string()));
        stream
    }

    /// A call over TCP, with these lines in its head, of which one names the host.
    pub(crate) fn send_by_tcp(&self, target: &str, head: &str, body: &Value) -> Answer {
        let mut stream = self.connect_by_tcp();
        let request = http::post(target, head, body.to_string());
        stream.say(request.replacen("Host: localhost\r\n", "", 1));
        let answer = stream.answer().expect("an answer");
        schema::check("post", path_of(target), &answer);
        answer
    }

    pub(crate) fn send(&self, path: &str, head: &str, body: &Value) -> Answer {
        let answer = self.begin(path, head, body).answer();
        let answer = answer.expect("an answer");
        schema::check("post", path_of(path), &answer);
        answer
    }

    /// What an operator asks for.
    pub(crate) fn page(&self, path: &str) -> Answer {
        let mut stream = self.connect();
        stream.say(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ));
        let answer = stream.answer().expect("an answer");
        schema::check("get", path, &answer);
        answer
    }

    pub(crate) fn tags(&self, account: &str) -> Vec<String> {
        let tags: BTreeSet<String> = self.emulator.user(account);
        tags.into_iter().collect()
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.emulator.requests().len()
    }

    /// Ends the daemon, and returns how many connections were cut off.
    pub(crate) fn end(&self) -> usize {
        self.end_within(Duration::from_secs(5))
    }

    /// The same with so much grace.
    pub(crate) fn end_within(&self, grace: Duration) -> usize {
        let running = self.running.lock().unwrap().take();
        running.map_or(0, |running| {
            let _ = running.stop.send(grace);
            running.daemon.drain_queue(Instant::now() + grace);
            let cut = running.serving.join().unwrap();
            *self.late_until.lock().unwrap() = Instant::now() + running.daemon.may_arrive_for();
            cut
        })
    }
}

/// Requests for changes that last.
impl Scene {
    /// Any request at the socket, whose answer is one that the page knows.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, target: &str, head: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        stream.say(http::request(method, target, head, body));
        let answer = stream.answer().expect("an answer");
        schema::check(&method.to_lowercase(), path_of(target), &answer);
        answer
    }

    /// A post of rows, of which the answer is one that the page knows.
    #[track_caller]
    pub(crate) fn keep(&self, query: &str, rows: &str) -> Answer {
        self.ask("POST", &format!("/v1/changes{query}"), "", rows)
    }
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.end();
    }
}
