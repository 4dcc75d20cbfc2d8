//! A daemon before an emulator, and a caller at its socket.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use imtag_emulator::{Emulator, Generation};
use imtag_local_server::{Names, runtime};
use imtag_serve::{Access, Daemon, Limits, Listener, Settings, UnixAccess};
use imtag_transport::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) const ADD: &str = "/v4/all_member_push/im_add_tag";
pub(crate) const GET: &str = "/v4/all_member_push/im_get_tag";
pub(crate) const REMOVE: &str = "/v4/all_member_push/im_remove_tag";
pub(crate) const NEWER_ADD: &str = "/v4/timpush/add_tag";

pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<usize>>,
    _folder: TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl Scene {
    pub(crate) fn new(generation: Generation) -> Scene {
        Scene::with_quota(generation, 100)
    }

    pub(crate) fn with_quota(generation: Generation, calls: u32) -> Scene {
        let emulator = Emulator::builder()
            .calls_per_second(calls)
            .unknown_accounts(["ghost"])
            .start()
            .unwrap();
        let client = Client::builder(
            emulator.sdkappid().get(),
            emulator.identifier(),
            emulator.secret_key().clone(),
        )
        .endpoint(emulator.endpoint())
        .generation(generation)
        .calls_per_second(calls)
        .fresh_start(true)
        .build()
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let names = Names::new(&[], "localhost:0", IpAddr::from([127, 0, 0, 1]), &[]).unwrap();
        let settings = Settings {
            access: Access::new(),
            names,
            tls: None,
            limits: Limits::default(),
        };
        let daemon = Daemon::new(client, settings);
        daemon.ready();
        let runtime = runtime("serve", 1).unwrap();
        let entered = runtime.enter();
        let access = UnixAccess {
            mode: 0o600,
            group: None,
        };
        let listener = Listener::unix(&socket, access).unwrap();
        drop(entered);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = std::thread::spawn(move || {
            runtime.block_on(async move {
                let accepting = daemon.clone();
                tokio::spawn(async move { accepting.accept(listener).await });
                let _ = stopped.await;
                daemon.drain(Duration::from_secs(5)).await
            })
        });
        Scene {
            emulator,
            socket,
            stop: Some(stop),
            serving: Some(serving),
            _folder: folder,
        }
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.send(path, "", &body)
    }

    pub(crate) fn post_within(&self, path: &str, body: &Value, seconds: &str) -> Answer {
        self.send(path, &format!("Imtag-Timeout: {seconds}\r\n"), body)
    }

    /// A request that was sent, whose answer is not read yet.
    pub(crate) fn begin(&self, path: &str, head: &str, body: &Value) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let body = body.to_string();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    fn send(&self, path: &str, head: &str, body: &Value) -> Answer {
        let mut stream = self.begin(path, head, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let json = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        Answer { status, json }
    }

    pub(crate) fn tags(&self, account: &str) -> Vec<String> {
        let tags: BTreeSet<String> = self.emulator.user(account);
        tags.into_iter().collect()
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.emulator.requests().len()
    }

    /// Ends the daemon, and returns how many connections were cut off.
    pub(crate) fn end(&mut self) -> usize {
        self.stop.take();
        self.serving.take().map_or(0, |it| it.join().unwrap())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.end();
    }
}
