//! Which host calls go to, as hosts come and go.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::{fmt, io};

use socket2::{Domain, Socket, Type};
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;
use crate::endpoint::Endpoint;
use crate::wait::{WaitScope, deadline_after};

/// Two hosts of this machine, each of which listens as long as its listener is there.
struct Scene {
    hosts: Hosts,
    /// Bound and never listening: the ports stay this scene's, and refuse while nothing else listens.
    ports: [Socket; 2],
    listeners: [Option<Socket>; 2],
    now: Instant,
    path_changes: Arc<AtomicUsize>,
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn address(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}

impl Scene {
    fn new() -> Scene {
        let ports = [(); 2].map(|()| bound("127.0.0.1:0".parse().unwrap()));
        let hosts = ports.each_ref().map(|port| Host {
            endpoint: Endpoint::parse(&format!("http://{}", address(port))).unwrap(),
            proxy: None,
        });
        let app = SdkAppId::new(1_400_000_000).unwrap();
        let admin = Identifier::new("admin").unwrap();
        let path_changes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&path_changes);
        let on_path_change = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let resolver = Resolver::default();
        let mut scene = Scene {
            hosts: Hosts::new(&hosts, None, &resolver, app, &admin, on_path_change),
            ports,
            listeners: [None, None],
            now: Instant::now(),
            path_changes,
        };
        scene.set(FIRST, true);
        scene.set(SPARE, true);
        scene
    }

    fn set(&mut self, host: usize, listens: bool) {
        self.listeners[host] = listens.then(|| {
            let listener = bound(address(&self.ports[host]));
            listener.listen(16).unwrap();
            listener
        });
    }

    /// The host that a call reaches, over an idle connection or a new one, which it then leaves to others.
    fn call(&self, takes_pooled: bool) -> Result<usize, Cause> {
        self.call_bound(None, takes_pooled)
    }

    /// The same of a call that is bound to a host.
    fn call_bound(&self, bound: Option<usize>, takes_pooled: bool) -> Result<usize, Cause> {
        let mut context = Context::endless();
        let (connection, _) = self
            .hosts
            .connection(bound, takes_pooled, self.now, &mut context)?;
        assert!(!context.sent && context.phase == Phase::Write);
        let host = connection.host;
        assert_eq!(context.host, host);
        self.hosts.put(connection);
        Ok(host)
    }

    fn reaches(&self) -> [usize; 2] {
        [false, true].map(|takes_pooled| self.call(takes_pooled).unwrap())
    }
}

#[test]
fn calls_go_to_the_spare_for_a_minute_and_then_one_tries_the_first() {
    let mut scene = Scene::new();
    assert_eq!(scene.reaches(), [FIRST; 2]);
    scene.set(FIRST, false);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    // it is back, but is not asked before a minute is over
    scene.set(FIRST, true);
    scene.now += SPARE_FOR - Duration::from_millis(1);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.reaches(), [FIRST; 2]);
}

#[test]
fn the_quota_hears_of_each_change_of_the_path_and_of_nothing_else() {
    let mut scene = Scene::new();
    let changes = |scene: &Scene| scene.path_changes.load(Ordering::Relaxed);
    assert_eq!(scene.reaches(), [FIRST; 2]);
    scene.set(FIRST, false);
    scene.call_bound(Some(FIRST), false).unwrap_err();
    scene.call_bound(Some(SPARE), false).unwrap();
    assert_eq!(changes(&scene), 0);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    assert_eq!(changes(&scene), 1);
    scene.now += SPARE_FOR;
    assert_eq!(scene.reaches(), [SPARE; 2]); // the first is still away
    assert_eq!(changes(&scene), 1);
    scene.set(FIRST, true);
    scene.now += SPARE_FOR;
    assert_eq!(scene.reaches(), [FIRST; 2]);
    assert_eq!(changes(&scene), 2);
}

#[test]
fn a_call_with_little_time_tries_the_first_again_only_where_no_other_has_come_for_a_minute() {
    let mut scene = Scene::new();
    scene.set(FIRST, false);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.now += SPARE_FOR;
    assert_eq!(scene.hosts.turn(scene.now, false), (SPARE, false));
    scene.now += SPARE_FOR - Duration::from_millis(1);
    assert_eq!(scene.hosts.turn(scene.now, false), (SPARE, false));
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.hosts.turn(scene.now, false), (FIRST, true));
    assert_eq!(scene.hosts.turn(scene.now, true), (SPARE, false));
}

#[test]
fn a_fair_time_is_a_second_or_a_quarter_of_a_shorter_time_for_connecting() {
    let halves_are_fair = |call: u64, connect: u64| {
        let deadline = |millis| deadline_after(Duration::from_millis(millis));
        let context = Context::new(WaitScope::until(deadline(call)), deadline(connect));
        context.has_fair_halves()
    };
    assert!(halves_are_fair(10_000, 5_000));
    assert!(!halves_are_fair(1_900, 5_000));
    assert!(halves_are_fair(60_000, 1_000)); // the owner's own choice
    assert!(!halves_are_fair(100, 1_000));
}

/// Notes the warnings and what is above a few for each call.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }
    fn event(&self, event: &Event<'_>) {
        let mut said = event.metadata().level().to_string();
        event.record(
            &mut |field: &Field, value: &dyn fmt::Debug| match field.name() {
                "message" => said += &format!(" {value:?}"),
                "cause" => said += &format!(" cause={value:?}"),
                _ => {}
            },
        );
        self.0.lock().unwrap().push(said);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn each_change_of_hosts_is_said_once() {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        let mut scene = Scene::new();
        scene.set(FIRST, false);
        assert_eq!(scene.reaches(), [SPARE; 2]);
        scene.set(FIRST, true);
        scene.now += SPARE_FOR;
        assert_eq!(scene.reaches(), [FIRST; 2]);
    });
    let said = listener.0.lock().unwrap();
    assert_eq!(
        *said,
        ["WARN handed over cause=\"network\"", "INFO handed back"]
    );
}

#[test]
fn if_the_first_is_still_away_one_call_a_minute_finds_it_out() {
    let mut scene = Scene::new();
    scene.set(FIRST, false);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.now += SPARE_FOR;
    // over the idle connection all the same
    assert_eq!(scene.call(true).unwrap(), SPARE);
    scene.set(FIRST, true);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.now += SPARE_FOR;
    // the others do not wait for it
    assert_eq!(scene.hosts.turn(scene.now, true), (FIRST, true));
    assert_eq!(scene.hosts.turn(scene.now, true), (SPARE, false));
}

#[test]
fn a_spare_that_goes_away_too_hands_back_at_once() {
    let mut scene = Scene::new();
    scene.set(FIRST, false);
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.set(FIRST, true);
    scene.set(SPARE, false);
    assert_eq!(scene.reaches(), [FIRST; 2]);
}

#[test]
fn if_neither_can_be_reached_the_failure_is_of_the_first_and_nothing_changes() {
    let mut scene = Scene::new();
    scene.set(FIRST, false);
    scene.set(SPARE, false);
    for _ in 0..2 {
        let mut context = Context::endless();
        let hosts = &scene.hosts;
        assert!(matches!(
            hosts.connection(None, true, scene.now, &mut context),
            Err(Cause::Network { phase: Phase::Connect, source })
                if source.kind() == io::ErrorKind::ConnectionRefused
        ));
        assert_eq!(context.host, FIRST);
    }
    assert_eq!(scene.hosts.turn(scene.now, true), (FIRST, false));
}

#[test]
fn the_idle_connections_to_the_host_that_is_left_are_closed() {
    let mut scene = Scene::new();
    let mut context = Context::endless();
    let first = scene.hosts.connection(None, false, scene.now, &mut context);
    let (first, _) = first.unwrap_or_else(|cause| panic!("{cause:?}"));
    assert_eq!(scene.call(false).unwrap(), FIRST);
    let listener = scene.listeners[FIRST].take().unwrap();
    let _open = [(); 2].map(|()| listener.accept().unwrap());
    drop(listener);
    assert_eq!(scene.call(false).unwrap(), SPARE);
    scene.hosts.put(first); // was under way meanwhile
    assert_eq!(
        scene.hosts.pool.take(None, scene.now).unwrap().0.host,
        SPARE
    );
    assert!(scene.hosts.pool.take(None, scene.now).is_none());
}

#[test]
fn a_bound_call_reaches_its_host_alone_and_changes_nothing_for_others() {
    let mut scene = Scene::new();
    assert_eq!(scene.reaches(), [FIRST; 2]); // and leaves a connection to it
    scene.set(FIRST, false);
    for takes_pooled in [false, true] {
        let first = scene.call_bound(Some(FIRST), false);
        assert!(matches!(first, Err(Cause::Network { .. })));
        // no connection to the first is taken by one that is bound to the spare
        let spare = scene.call_bound(Some(SPARE), takes_pooled);
        assert_eq!(spare.unwrap(), SPARE);
        assert_eq!(scene.hosts.turn(scene.now, true), (FIRST, false));
    }
    assert!(scene.hosts.leaves_behind(FIRST));
    assert_eq!(scene.reaches(), [SPARE; 2]);
    scene.set(FIRST, true);
    scene.now += SPARE_FOR;
    assert_eq!(scene.call_bound(Some(FIRST), true).unwrap(), FIRST);
    // it was not the one that tries the first, nor has it handed back
    assert_eq!(scene.hosts.turn(scene.now, true), (FIRST, true));
    assert_eq!(scene.hosts.turn(scene.now, true), (SPARE, false));
}

#[test]
fn a_bound_call_is_left_behind_while_its_host_is_away_or_others_go_elsewhere() {
    let mut scene = Scene::new();
    let behind = |scene: &Scene| [FIRST, SPARE].map(|host| scene.hosts.leaves_behind(host));
    assert_eq!(behind(&scene), [false, true]);
    scene.set(FIRST, false);
    scene.call_bound(Some(FIRST), true).unwrap_err();
    assert_eq!(behind(&scene), [true, true]); // others have not noticed yet
    assert_eq!(scene.reaches(), [SPARE; 2]);
    assert_eq!(behind(&scene), [true, false]);
    scene.set(FIRST, true);
    scene.call_bound(Some(FIRST), true).unwrap();
    assert_eq!(behind(&scene), [true, false]);
    scene.now += SPARE_FOR;
    assert_eq!(scene.reaches(), [FIRST; 2]);
    assert_eq!(behind(&scene), [false, true]);
}

#[test]
fn no_spare_is_tried_once_the_time_is_up_or_the_call_cancelled() {
    let mut scene = Scene::new();
    scene.set(FIRST, false);
    let over = WaitScope::until(Instant::now());
    let mut context = Context::new(over, deadline_after(Duration::MAX));
    let failed = scene.hosts.connection(None, false, scene.now, &mut context);
    assert!(failed.is_err());
    assert_eq!(scene.hosts.turn(scene.now, true), (FIRST, false));
}
