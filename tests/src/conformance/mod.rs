//! `cargo xtask conformance`: the cases of tests/conformance, played in every language. A case is a call, a bulk run or the
//! life of a batcher, with the client's settings, what the server does, and what must come of it; each language has a
//! runner that does it and says how it ended. What they say is compared here, so that all languages are held to the same.
//!
//! ```text
//! case ── script        read strictly from JSON
//!   │
//! play ── server        what the case's client meets: an emulator, maybe behind a flaky proxy or an egress proxy
//!   ├──── runner        the language's process: a case in, an outcome out
//!   ├──── difference    outcome, requests and tags against the case's
//!   └──── observed      figures and records too, where the case asks for them
//! report                the table, and the verdict
//! ```

mod case;
#[cfg(test)]
mod complete;
mod difference;
mod egress;
#[allow(clippy::unwrap_used, dead_code)] // it is of transport's tests, and a case uses less of it
#[path = "../../../crates/transport/tests/support/proxy.rs"]
mod egress_proxy;
mod flaky_proxy;
mod languages;
mod observed;
mod play;
mod report;
mod runner;
mod script;
mod server;

use std::thread;

use crate::error::Error;
use crate::log::Log;
use crate::program::Missing;
use languages::{LANGUAGES, runner};
use report::Played;
use script::Kind;

const HELP: &str = "\
Usage: cargo xtask conformance [--language NAME] [--case PART]

  --language NAME  only in this language; may be given several times
  --case PART      only the cases whose file or name holds this
";

pub fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let Some((languages, part)) = options(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    let say = &|line: &str| println!("{line}");
    if !languages.is_empty() {
        return play(&languages, &part, say);
    }
    match play(&LANGUAGES, &part, say) {
        // a language that is asked for by its name should be there, and the others need not
        Err(error) if error.is::<Missing>() => Ok(()),
        played => played,
    }
}

/// Plays all cases in all languages. Fails with [`Missing`] if this machine lacks one.
pub fn all(log: &Log) -> Result<(), Error> {
    play(&LANGUAGES, "", &|line| log.say(&line))
}

/// Plays the languages at once, as each waits more than it works, and says the report.
fn play(languages: &[&'static str], part: &str, say: &dyn Fn(&str)) -> Result<(), Error> {
    let mut cases = case::all()?;
    cases.retain(|case| case.title.contains(part));
    if cases.is_empty() {
        return Err(format!("there is no case with {part:?} in its file or name").into());
    }
    let cases = &cases;
    let played = thread::scope(|scope| {
        let mut threads = Vec::new();
        for language in languages {
            say(&format!("preparing {language}"));
            let runner = runner(language);
            threads.push((
                language,
                runner.map(|runner| scope.spawn(|| play::play(language, runner, cases))),
            ));
        }
        let ended = threads.into_iter().map(|(language, thread)| match thread {
            Ok(thread) => thread.join().map_err(|_| "a language's thread panicked"),
            Err(unready) => Ok(Played::unready(language, unready)),
        });
        ended.collect::<Result<Vec<Played>, _>>()
    })?;
    let of_kind = |kind| cases.iter().filter(|case| case.kind == kind).count();
    say(&report::table(Kind::ALL.map(of_kind), &played));
    report::verdict(&played)
}

/// The languages, none for all, and what a case's title must hold. `None` where help was asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<(Vec<&'static str>, String)>, Error> {
    use lexopt::prelude::*;
    let (mut languages, mut part) = (Vec::new(), String::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("language") => {
                let name: String = arguments.value()?.parse()?;
                let known = LANGUAGES.into_iter().find(|language| *language == name);
                languages.push(known.ok_or_else(|| {
                    format!("there is no language {name:?}: {}", LANGUAGES.join(", "))
                })?);
            }
            Long("case") => part = arguments.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
        }
    }
    Ok(Some((languages, part)))
}

#[test]
fn a_language_or_option_that_there_is_not_is_named() {
    let parse = |arguments: &[&str]| options(lexopt::Parser::from_args(arguments));
    let error = |arguments| parse(arguments).err().unwrap().to_string();
    let unknown = "there is no language \"pascal\": rust, c, cpp, python, go";
    assert_eq!(error(&["--language", "pascal"]), unknown);
    assert!(error(&["--lang"]).starts_with("invalid option '--lang'"));
    let go = parse(&["--language", "go"]).unwrap().unwrap();
    assert_eq!(go, (vec!["go"], String::new()));
}
