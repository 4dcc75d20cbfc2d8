//! What is logged, over scenes in which everything is logged that there is: no event shows a key, a UserSig, an account, a
//! tag, or what a callback or an answer says. A program of its own, as it listens to all of its process.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{
    AddTags, CallOptions, ChangeRequest, Client, Credentials, Operation, WaitEnd,
};
use support::behind::{LOGIN, PASSWORD, USER, behind};
use support::proxy::Kind;
use support::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Each is in a part of what is sent and answered, and must be in no event.
const ACCOUNT: &str = "hush-account";
const TAG: &str = "hush-tag";
const SAID: &str = "hush-said";

/// An event: its level, its message, and its fields as text.
struct Logged {
    level: Level,
    message: String,
    fields: BTreeMap<&'static str, String>,
}

static LOGGED: Mutex<Vec<Logged>> = Mutex::new(Vec::new());

/// Listens to everything.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "imtag"
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap();
        LOGGED.lock().unwrap().push(Logged {
            level: *event.metadata().level(),
            message,
            fields: fields.0,
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// One scene at a time, as all listen to the same events. Those of the scene are returned.
fn logged(scene: impl FnOnce()) -> Vec<Logged> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one: MutexGuard<'_, ()> = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = tracing::subscriber::set_global_default(Listener); // by the first scene
    LOGGED.lock().unwrap().clear();
    scene();
    std::mem::take(&mut *LOGGED.lock().unwrap())
}

fn named<'l>(logged: &'l [Logged], message: &str) -> Vec<&'l Logged> {
    logged.iter().filter(|it| it.message == message).collect()
}

/// Fields of an event, by their names.
fn fields<const N: usize>(event: &Logged, names: [&str; N]) -> [Option<String>; N] {
    names.map(|name| event.fields.get(name).cloned())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn hushed() -> AddTags<'static> {
    AddTags::new([(ACCOUNT, [TAG]), ("v", [TAG])]).unwrap()
}

#[test]
fn an_attempt_is_an_event_with_what_is_known_of_it() {
    let emulator = emulator();
    let client = client(&emulator);
    let logged = logged(|| {
        emulator.fault(Operation::Add, Fault::code(91000));
        client.add_tag(&hushed()).unwrap();
        emulator.fault(Operation::Add, Fault::code(90001));
        client.add_tag(&hushed()).unwrap_err();
    });
    let attempts = named(&logged, "attempt ended");
    let known = [
        "operation",
        "route",
        "users",
        "attempt",
        "sent",
        "cause",
        "code",
        "effect",
        "host",
    ];
    let its = attempts.iter().map(|it| fields(it, known));
    let route = "v4/all_member_push/im_add_tag";
    let attempt = |number, failed: Option<[&str; 3]>| {
        let [cause, code, effect] = failed.map_or([None; 3], |failed| failed.map(Some));
        let words = [
            some("add"),
            some(route),
            some("2"),
            some(number),
            some("true"),
        ];
        let failed = [cause, code, effect].map(|it| it.map(str::to_owned));
        let all = words.into_iter().chain(failed).chain([some("127.0.0.1")]);
        <[_; 9]>::try_from(all.collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(
        its.collect::<Vec<_>>(),
        [
            attempt("1", Some(["service", "91000", "possibly applied"])),
            attempt("2", None),
            attempt("1", Some(["service", "90001", "possibly applied"])),
        ]
    );
    for attempt in &attempts {
        assert_eq!(attempt.level, Level::DEBUG);
        assert!(
            attempt.fields.contains_key("request_id") && attempt.fields.contains_key("duration_ms")
        );
    }
    let again = named(&logged, "trying again");
    assert_eq!(again.len(), 1);
    assert_eq!(
        fields(
            again[0],
            ["operation", "attempt", "cause", "code", "awaits_service"]
        ),
        [
            some("add"),
            some("2"),
            some("service"),
            some("91000"),
            some("false")
        ]
    );
    let failed = named(&logged, "call failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(
        fields(failed[0], ["attempts", "attempts_sent", "code"]),
        [some("1"), some("1"), some("90001")]
    );
}

/// Calls that end in each way, and what they wait for.
fn calls() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let builder = builder(&emulator.endpoint()).ca_file(ca.path());
    let client = builder.clone().build().unwrap();
    client.add_tag(&hushed()).unwrap();
    emulator.fault(Operation::Add, Fault::cut_before());
    client.add_tag(&hushed()).unwrap();
    let once = builder.clone().retry(ONE_ATTEMPT).build().unwrap();
    for fault in [
        Fault::code(70009).text(format!("{ACCOUNT} {SAID}")),
        Fault::code(60007),
        Fault::status(502).body(SAID),
        Fault::redirect(format!("https://127.0.0.1:1/?usersig={SAID}")),
        Fault::answer(format!("{SAID} {ACCOUNT} {TAG}")),
        Fault::truncated(),
        Fault::cut_after(),
        Fault::leave_out([ACCOUNT], 70107),
    ] {
        emulator.faults(Operation::Add, vec![fault; 2]);
        drop(once.add_tag(&hushed()));
        emulator.remove_faults();
    }
    // an expired UserSig is made anew
    emulator.fault(Operation::Add, Fault::code(70001));
    client.add_tag(&hushed()).unwrap();
    let slow = builder
        .calls_per_second(1)
        .fresh_start(true)
        .build()
        .unwrap();
    slow.add_tag(&hushed()).unwrap();
    slow.add_tag(&hushed()).unwrap();
    let foreign = support::builder(&emulator.endpoint()).build().unwrap();
    foreign.add_tag(&hushed()).unwrap_err();
}

fn credentials_that_fail(emulator: &Emulator) {
    let credentials = Credentials::callback(|| Err(format!("{SAID} {KEY}").into()));
    let client = Client::builder(1_400_000_000, "administrator", credentials);
    let client = client.endpoint(emulator.endpoint()).build().unwrap();
    client.add_tag(&hushed()).unwrap_err();
}

fn hosts_that_are_not_there() {
    let shortly = || CallOptions::new().timeout(Duration::from_millis(200));
    for endpoint in [nobody(), "https://imtag.invalid".to_owned()] {
        let client = builder(&endpoint).build().unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| client.call(&hushed(), &shortly()).unwrap_err());
            }
        });
    }
}

/// Proxies that take the login and that do not, and a host that is away beside a spare one.
fn on_the_way(emulator: &Emulator) {
    for kind in Kind::ALL {
        for login in [(USER, PASSWORD), (USER, "another")] {
            let (_emulator, proxy, setup) = behind(kind, Some(login));
            let called = setup.once(&proxy.url(LOGIN)).add_tag(&hushed());
            assert_eq!(called.is_ok(), login.1 == PASSWORD);
        }
    }
    let client = builder(&nobody()).spare_endpoint(emulator.endpoint());
    client.build().unwrap().add_tag(&hushed()).unwrap();
}

fn an_outage(emulator: &Emulator) {
    // a name, which is looked up
    let endpoint = emulator.endpoint().replace("127.0.0.1", "localhost");
    let client = builder(&endpoint).build().unwrap();
    client.add_tag(&hushed()).unwrap();
    emulator.add_standing(ProbabilisticFault::new(Fault::status(502).body(SAID), 1.0).unwrap());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| client.call(&hushed(), &within(LONG)).unwrap());
        }
        until(|| client.stats().in_outage);
        emulator.remove_faults();
    });
}

/// Changes of users with names that must not show.
fn changes() -> impl Iterator<Item = ChangeRequest> {
    (0..4).map(|user| ChangeRequest::add(format!("{ACCOUNT}-{user}"), [TAG]))
}

fn runs_and_batchers() {
    let emulator = emulator_without(["hush-account-1"]);
    let client = client(&emulator);
    assert_eq!(client.bulk().run(changes()).finish().progress.failed, 1);
    // a run that ends early, and one that pauses
    emulator.fault(Operation::Add, Fault::code(70009).text(SAID));
    let ends = client.bulk().run(changes()).finish();
    assert!(ends.error().is_some());
    emulator.fault(Operation::Add, Fault::code(70009).text(SAID));
    let run = client.bulk().pause_when_unavailable(true).start();
    changes().for_each(|change| run.push(1, change).unwrap());
    run.end_of_input();
    until(|| run.paused().is_some());
    run.resume();
    assert_eq!(run.finish().progress.failed, 1);
    drop(run);
    let batcher = lingering(&client);
    for (id, change) in (0..).zip(changes()) {
        batcher.submit(id, change).unwrap();
    }
    batcher.withdraw(0, WaitEnd::Cancelled);
    batcher.close(&CallOptions::new()).unwrap();
}

#[test]
fn no_event_shows_a_secret_an_account_a_tag_or_what_others_say() {
    let logged = logged(|| {
        let emulator = emulator();
        calls();
        credentials_that_fail(&emulator);
        hosts_that_are_not_there();
        on_the_way(&emulator);
        an_outage(&emulator);
        runs_and_batchers();
    });
    let mut shown = String::new();
    for Logged {
        level,
        message,
        fields,
    } in &logged
    {
        writeln!(shown, "{level} {message} {fields:?}").unwrap();
    }
    // every UserSig starts so: the head of zlib's stream, and of the document's JSON
    for secret in ["hush", "corp", "eJyr", "eJw", KEY, "administrator"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let seen: BTreeSet<_> = logged
        .iter()
        .map(|it| (it.level.as_str(), it.message.as_str()))
        .collect();
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [
            ("DEBUG", "address failed"),
            ("DEBUG", "attempt ended"),
            ("DEBUG", "call failed"),
            ("DEBUG", "connection opened"),
            ("DEBUG", "host looked up"),
            ("DEBUG", "idle connection was dead"),
            ("DEBUG", "look-up failed"),
            ("DEBUG", "request formed"),
            ("DEBUG", "request split"),
            ("DEBUG", "trying again"),
            ("DEBUG", "waited for the quota"),
            ("INFO", "UserSig expired"),
            ("INFO", "app accepted"),
            ("INFO", "new UserSig"),
            ("INFO", "service is back"),
            ("INFO", "session began"),
            ("INFO", "session ended"),
            ("INFO", "session resumed"),
            ("WARN", "app refused"),
            ("WARN", "handed over"),
            ("WARN", "no UserSig"),
            ("WARN", "rejected as too frequent"),
            ("WARN", "service unavailable"),
            ("WARN", "session ended early"),
            ("WARN", "session paused"),
        ],
        "{shown}"
    );
}
