//! Clients of the daemon `imtag serve` in other languages: docs/serve.md, whose commands and programs run as printed beside
//! a daemon, and the programs of `examples`, which must read each answer in the same way.
//!
//! The form of the page: `Start` with the command of the daemon; then a section a language, whose last commands print
//! the tags. A program of `examples` gets real answers of a daemon, and then those of a stand-in, which answers at once
//! what a daemon takes its time for: no room in the quota, no answer of the service, and its own end.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use imtag_core::SecretKey;
use imtag_emulator::Emulator;
use serde_json::Value;

use crate::build::imtag;
use crate::cargo::{clean, root};
use crate::error::Error;
use crate::log::Log;
use crate::page::{self, Section, shell_with_imtag};
use crate::program::Running;
use crate::serve_later::{self, later};
use crate::serve_outside::outside;

const PAGE: &str = "docs/serve.md";
/// What the name of each check begins with, before its language.
pub const CHECK: &str = "serve in ";

/// What a program of `examples` is started by, where the page's commands have run.
const PROGRAMS: [(&str, &str); 4] = [
    ("PHP", "php \"$LIBIMTAG/examples/php/tag.php\""),
    ("Java", "java -cp classes Tag"),
    ("Node", "node \"$LIBIMTAG/examples/node/tag.mjs\""),
    ("sh", "sh \"$LIBIMTAG/examples/sh/tag.sh\""),
];

/// What the page's programs print of the user that they have tagged.
const TAGGED: &str = "beijing vip";

/// What the page has for the path of any socket.
const SOCKET: &str = "/tmp/imtag.sock";

/// The header by which a call is given less time.
const TIMEOUT: &str = "Imtag-Timeout";

/// The emulator's key.
const KEY: &str = "of-no-app";

const BOTH: &str = "xiaojun012 xiaojun013";

/// What a program prints where the service knows one of its two users.
const ONE_UNKNOWN: &str = r#"not added: xiaojun013: the service refused the request: 70107 "the account was never imported" (possibly applied; import the account first, or let its user log in once)
not read: xiaojun013: the service refused the request: 70107 "the account was never imported" (not read; import the account first, or let its user log in once)
xiaojun012: beijing vip
exit 1
"#;

/// Answers of a stand-in, what a program prints then, and the accounts of its requests.
struct Scenario {
    answers: [String; 4],
    prints: &'static str,
    asks_for: [&'static str; 4],
}

/// The page's section of the language that the check is named for, and then its program.
pub fn example(log: &Log) -> Result<(), Error> {
    let language = log.check.trim_start_matches(CHECK);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let sections = page::read(PAGE)?;
    run(&sections, language, folder, log)?;
    if language == "PHP" {
        failures(&sections, folder, log)?;
    }
    let program = PROGRAMS.iter().find(|(name, _)| *name == language);
    let (_, program) = program.ok_or_else(|| format!("no program is known in {language}"))?;
    let compare = |socket: &str, expected: &str| {
        let printed = printed(program, socket, folder, log)?;
        let is_same = printed == expected;
        let differs = || Error::from(format!("it prints\n{printed}\nnot\n{expected}"));
        is_same.then_some(()).ok_or_else(differs)
    };
    {
        let emulator = Emulator::builder().unknown_accounts(["xiaojun013"]);
        let emulator = emulator.secret_key(SecretKey::new(KEY)?).start()?;
        let _daemon = daemon(&emulator, &folder.join("real.sock"))?;
        compare("real.sock", ONE_UNKNOWN)?;
    }
    for (number, scenario) in (1..).zip([busy_and_away(), refused_for_another(), ends()]) {
        let socket = format!("{number}.sock");
        let requests = stand_in(&folder.join(&socket), scenario.answers)?;
        compare(&socket, scenario.prints)?;
        let requests: Vec<Value> = requests.try_iter().collect();
        let has_time = |it: &Value| it[TIMEOUT].as_f64() == Some(8.0);
        if language != "sh" && !requests.iter().all(has_time) {
            return Err(format!("it gives its calls no {TIMEOUT}").into());
        }
        let accounts: Vec<String> = requests.iter().map(accounts).collect();
        if accounts != scenario.asks_for {
            return Err(format!("it asks for {accounts:?}, not {:?}", scenario.asks_for).into());
        }
    }
    {
        let emulator = Emulator::builder().unknown_accounts(["xiaojun013"]);
        let emulator = emulator.secret_key(SecretKey::new(KEY)?).start()?;
        let _daemon = daemon(&emulator, &folder.join("later-real.sock"))?;
        let print = |program: &str, socket: &str| printed(program, socket, folder, log);
        later(language, folder, "later-real.sock", print)?;
        outside(language, folder, "later-real.sock", print)?;
    }
    let nothing = printed(program, "none.sock", folder, log)?;
    let tries = nothing.matches("not added: xiaojun012: no daemon at none.sock");
    if tries.count() != 3 || !nothing.ends_with("exit 1\n") {
        return Err(format!("without a daemon it prints {nothing}").into());
    }
    let later = serve_later::program(language)?;
    let told = [(*program, "not added: xiaojun012"), (later, "not stored")];
    may_not(told, folder, log)
}

/// A user that may not use the socket is told so, once, by each of these programs, whose lines begin so. One that may use any
/// becomes another user for that.
fn may_not(programs: [(&str, &str); 2], folder: &Path, log: &Log) -> Result<(), Error> {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let socket = folder.join("closed.sock");
    let _listener = UnixListener::bind(&socket)?;
    mode(&socket, 0)?;
    let may_use_any = UnixStream::connect(&socket).is_ok();
    if may_use_any {
        let found = page::shell(folder, "command -v setpriv").output()?;
        if found.stdout.is_empty() {
            return Ok(());
        }
        mode(folder, 0o755)?;
        // what it reads is in a folder that others may not enter
        let copy = format!("cp -R {:?} examples", root().join("examples"));
        log.run(&mut page::shell(folder, &copy))?;
    }
    for (program, begins) in programs {
        let program = if may_use_any {
            let program = program.replace("$LIBIMTAG/", "");
            format!("setpriv --reuid=65534 --regid=65534 --clear-groups {program}")
        } else {
            program.to_owned()
        };
        let said = printed(&program, "closed.sock", folder, log)?;
        let told = format!("{begins}: this user may not use the socket closed.sock");
        if said.matches(&told).count() != 1
            || said.matches(begins).count() != 1
            || !said.ends_with("exit 1\n")
        {
            return Err(format!("at a socket that it may not use it prints {said}").into());
        }
    }
    Ok(())
}

/// Runs the commands of the page's section beside its daemon.
fn run(sections: &[Section], language: &str, folder: &Path, log: &Log) -> Result<(), Error> {
    let [start, settings] = &section(sections, "Start")?.commands[..] else {
        return Err(format!("{PAGE}: its start is not the daemon and the settings").into());
    };
    let socket = folder.join("imtag.sock").display().to_string();
    let start = format!("exec {start}").replace(SOCKET, &socket);
    let (_daemon, line) = Running::with_first_line(&mut shell_with_imtag(folder, &start)?)?;
    if !line.starts_with("The daemon takes calls") {
        return Err(format!("the daemon does not start: {line}").into());
    }
    let section = section(sections, language)?;
    for (name, text) in &section.files {
        fs::write(folder.join(name), text.replace(SOCKET, &socket))?;
    }
    let commands = section.commands.concat().replace(SOCKET, &socket);
    let mut shell = shell_with_imtag(&root(), &format!("{settings}cd \"$WORK\"\n{commands}"))?;
    let said = log.output(shell.env("WORK", folder))?;
    if said.contains(TAGGED) {
        Ok(())
    } else {
        Err(format!("it says {said:?}").into())
    }
}

/// Runs the commands of the page's section on failures, and holds what its program prints to the page.
fn failures(sections: &[Section], folder: &Path, log: &Log) -> Result<(), Error> {
    let section = section(sections, "Failures to try")?;
    let [emulator, daemon, asked] = &section.commands[..] else {
        return Err(format!("{PAGE}: failures are an emulator, a daemon and a program").into());
    };
    let socket = folder.join("failures.sock").display().to_string();
    let shown = |text: &str| text.trim_end().replace(SOCKET, &socket);
    let start = format!("exec {}", shown(emulator));
    let (mut emulator, _) = Running::with_first_line(&mut shell_with_imtag(folder, &start)?)?;
    let said = emulator.0.stdout.as_mut().ok_or("it has no output")?;
    let mut settings = String::new();
    for line in BufReader::new(said).lines() {
        let line = line?;
        if line.starts_with("  export ") {
            settings += &format!("{line}\n");
        } else if !settings.is_empty() {
            break;
        }
    }
    let start = format!("{settings}exec {}", shown(daemon));
    let _daemon = Running::with_first_line(&mut shell_with_imtag(folder, &start)?)?;
    // it ends with 1, as a user failed
    let asked = format!("{settings}{} 2>&1 || true", shown(asked));
    let mut shell = shell_with_imtag(folder, &asked)?;
    let said = log.output(shell.env("LIBIMTAG", root()))?;
    let page = fs::read_to_string(root().join(PAGE))?;
    if !said.is_empty() && page.contains(&format!("```text\n{said}```\n")) {
        Ok(())
    } else {
        Err(format!("{PAGE} does not have what is printed: {said}").into())
    }
}

fn section<'s>(sections: &'s [Section], name: &str) -> Result<&'s Section, Error> {
    let found = sections.iter().find(|section| section.name == name);
    found.ok_or_else(|| format!("{PAGE} has no section {name:?}").into())
}

/// All that a program prints, and how it ends.
fn printed(program: &str, socket: &str, folder: &Path, log: &Log) -> Result<String, Error> {
    let script = format!("{program} {socket} 2>&1 && echo exit 0 || echo exit $?");
    let mut shell = page::shell(folder, &script);
    log.output(shell.env("LIBIMTAG", root()))
}

/// A daemon that sends to an emulator.
fn daemon(emulator: &Emulator, socket: &Path) -> Result<Running, Error> {
    let key = socket.with_extension("key");
    fs::write(&key, KEY)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let mut daemon = Command::new(imtag()?);
    clean(&mut daemon);
    daemon.arg("serve").arg("--socket").arg(socket);
    daemon.arg("--data").arg(socket.with_extension("data"));
    daemon
        .env("IMTAG_SDKAPPID", emulator.sdkappid().get().to_string())
        .env("IMTAG_IDENTIFIER", emulator.identifier())
        .env("IMTAG_ENDPOINT", emulator.endpoint())
        .env("IMTAG_SECRET_KEY_FILE", key);
    Ok(Running::with_first_line(&mut daemon)?.0)
}

/// Listens at a socket, and gives an answer a connection, then the end of the connection. The requests come out.
fn stand_in(socket: &Path, answers: [String; 4]) -> Result<Receiver<Value>, Error> {
    let listener = UnixListener::bind(socket)?;
    let (sender, requests) = channel();
    thread::spawn(move || -> io::Result<()> {
        for answer in answers {
            let (mut connection, _) = listener.accept()?;
            let mut reader = BufReader::new(connection.try_clone()?);
            let mut length = 0;
            let mut line = String::new();
            let mut time: Option<f64> = None;
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line)?;
                let lower = line.to_lowercase();
                if let Some(given) = lower.strip_prefix("imtag-timeout:") {
                    time = given.trim().parse().ok();
                }
                if let Some(given) = lower.strip_prefix("content-length:") {
                    length = given.trim().parse().map_err(io::Error::other)?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            // before the answer, as the program may end with it
            let mut request: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
            request[TIMEOUT] = time.into();
            let _ = sender.send(request);
            connection.write_all(answer.as_bytes())?;
        }
        Ok(())
    });
    Ok(requests)
}

/// The accounts of a request.
fn accounts(request: &Value) -> String {
    let users = request["UserTags"].as_array().into_iter().flatten();
    let changed = users.map(|user| &user["To_Account"]);
    let read = request["To_Account"].as_array().into_iter().flatten();
    let accounts: Vec<&str> = changed.chain(read).filter_map(Value::as_str).collect();
    accounts.join(" ")
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

const OK: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RequestId":"imtag-1"}"#;

/// Of the codes here, those that the daemon says may be done later; a client has no list of them.
fn passes(code: i32) -> bool {
    matches!(code, 60007 | 60008)
}

/// What the daemon answers as a whole, and of each user that failed.
fn failed(code: i32, effect: &str, users: &[(&str, i32, &str)]) -> String {
    let list: Vec<String> = users
        .iter()
        .map(|(account, code, effect)| {
            format!(
                r#"{{"To_Account":"{account}","ErrorCode":{code},"ErrorInfo":"why","Effect":"{effect}","Remedy":"do this","Retryable":{}}}"#,
                passes(*code)
            )
        })
        .collect();
    format!(
        r#"{{"ActionStatus":"FAIL","ErrorInfo":"the call failed","ErrorCode":{code},"RequestId":"imtag-1","Effect":"{effect}","Remedy":"do that","Retryable":{},"ErrorList":[{}]}}"#,
        passes(code),
        list.join(",")
    )
}

/// One user fails for good. The other has no turn in the quota, then no answer of the service, and is done at last.
fn busy_and_away() -> Scenario {
    let [busy, unknown] = [
        ("xiaojun012", 60007, "not applied"),
        ("xiaojun013", 70107, "possibly applied"),
    ];
    let away = ("xiaojun012", 60008, "possibly applied");
    let unread = failed(70107, "not read", &[("xiaojun013", 70107, "not read")]);
    let read = r#""UserTags":[{"To_Account":"xiaojun012","Tags":["beijing","vip"]}],"ErrorList""#;
    Scenario {
        answers: [
            answer(
                "200 OK",
                &failed(60007, "possibly applied", &[busy, unknown]),
            ),
            answer(
                "504 Gateway Timeout",
                &failed(60008, "possibly applied", &[away]),
            ),
            answer("200 OK", OK),
            answer("200 OK", &unread.replace(r#""ErrorList""#, read)),
        ],
        prints: "\
not added: xiaojun012: why (not applied; do this), and 1 more
not added: xiaojun012: why (possibly applied; do this)
not read: xiaojun013: why (not read; do this)
xiaojun012: beijing vip
exit 1
",
        asks_for: [BOTH, "xiaojun012", "xiaojun012", BOTH],
    }
}

/// One user has a mistake, so the daemon sends neither, and says that the other one is done if it is asked for alone.
fn refused_for_another() -> Scenario {
    let [wrong, beside] = ["xiaojun013", "xiaojun012"].map(|it| (it, 90020, "not applied"));
    let refused = failed(90020, "not applied", &[wrong, beside]);
    let (first, last) = refused.rsplit_once("false").unwrap_or_default();
    let busy = failed(
        60007,
        "not applied",
        &[("xiaojun012", 60007, "not applied")],
    );
    let tags = r#""UserTags":[{"To_Account":"xiaojun012","Tags":["vip"]}]"#;
    Scenario {
        answers: [
            answer("200 OK", &format!("{first}true{last}")),
            answer("200 OK", &busy),
            answer("200 OK", OK),
            answer("200 OK", &OK.replace("}", &format!(",{tags}}}"))),
        ],
        prints: "\
not added: xiaojun013: why (not applied; do this), and 1 more
not added: xiaojun012: why (not applied; do this)
xiaojun012: vip
exit 1
",
        asks_for: [BOTH, "xiaojun012", "xiaojun012", BOTH],
    }
}

/// The daemon ends within its answer, and takes no call while it ends.
fn ends() -> Scenario {
    let whole = answer("200 OK", OK);
    let tags = r#""UserTags":[{"To_Account":"xiaojun012","Tags":["beijing","vip"]},{"To_Account":"xiaojun013","Tags":[]}]"#;
    let closing = failed(60008, "not applied", &[]).replace(r#","ErrorList":[]"#, "");
    Scenario {
        answers: [
            whole[..whole.len() - 10].to_owned(),
            answer("503 Service Unavailable", &closing),
            whole,
            answer("200 OK", &OK.replace("}", &format!(",{tags}}}"))),
        ],
        prints: "\
not added: xiaojun012: the daemon did not answer (possibly applied; try again), and 1 more
not added: xiaojun012: the call failed (not applied; do that), and 1 more
xiaojun012: beijing vip
xiaojun013: 
exit 0
",
        asks_for: [BOTH; 4],
    }
}

/// The languages of the page, in its order.
#[cfg(test)]
pub(crate) fn languages() -> Result<Vec<String>, Error> {
    let sections = page::read(PAGE)?.into_iter();
    let typed = sections.filter(|it| it.level == 2 && !it.commands.is_empty());
    Ok(typed.skip(1).map(|it| it.name).collect()) // after `Start`
}
