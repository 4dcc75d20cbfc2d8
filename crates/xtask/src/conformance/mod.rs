//! `cargo xtask conformance`: the cases of tests/conformance, played in every language. A case is a call, a bulk run or the
//! life of a batcher, with the client's settings, what the server does, and what must come of it; each language has a
//! runner that does it and says how it ended. Here is compared, so that all languages are held to the same.

mod case;
#[cfg(test)]
mod complete;
#[cfg(test)]
mod complete_changes;
mod difference;
mod door;
mod expand;
mod languages;
mod play;
mod report;
mod runner;
mod script;
mod server;

use std::thread;

use crate::Error;
use case::{Case, Kind};
use languages::{LANGUAGES, Language};
use play::Played;
pub(crate) use report::Report;

const HELP: &str = "\
Usage: cargo xtask conformance [--language NAME] [--case PART]

  --language NAME  only in this language; may be given several times
  --case PART      only the cases whose file or name holds this
";

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let Some((languages, part)) = options(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    let all = languages.is_empty();
    let languages = if all {
        &LANGUAGES
    } else {
        languages.as_slice()
    };
    let report = play(languages, &part)?;
    println!("{report}");
    // a language that is asked for by its name should be there
    let missing = report.missing().filter(|_| !all);
    match report.fault().or(missing) {
        None => Ok(()),
        Some(fault) => Err(fault.into()),
    }
}

/// Plays all cases in all languages.
pub(crate) fn all() -> Result<Report, Error> {
    play(&LANGUAGES, "")
}

/// The languages at once, as each waits more than it works.
fn play(languages: &[Language], part: &str) -> Result<Report, Error> {
    let mut cases = case::all()?;
    cases.retain(|case| case.title.contains(part));
    if cases.is_empty() {
        return Err(format!("there is no case with {part:?} in its file or name").into());
    }
    let cases: &[Case] = &cases;
    let prepared: Vec<_> = languages
        .iter()
        .map(|language| {
            println!("preparing {}", language.name);
            (language.name, (language.prepare)())
        })
        .collect();
    let played: Vec<Played> = thread::scope(|scope| {
        let threads: Vec<_> = prepared
            .into_iter()
            .map(|(name, runner)| scope.spawn(move || Played::of(name, runner, cases)))
            .collect();
        let ended = threads.into_iter().map(|thread| {
            let panicked = "a language's thread panicked";
            thread.join().map_err(|_| panicked)
        });
        ended.collect::<Result<_, _>>()
    })?;
    let of_kind = |kind: Kind| cases.iter().filter(|case| case.kind == kind).count();
    Ok(Report::of(Kind::ALL.map(of_kind), played))
}

/// The languages, none for all, and what a case's title must hold. `None` where help was asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<(Vec<Language>, String)>, Error> {
    use lexopt::prelude::*;
    let (mut languages, mut part) = (Vec::new(), String::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("language") => {
                let name: String = arguments.value()?.parse()?;
                languages.push(languages::named(&name)?);
            }
            Long("case") => part = arguments.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
        }
    }
    Ok(Some((languages, part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_or_option_that_there_is_not_is_named() {
        let of = |arguments: &[&str]| options(lexopt::Parser::from_args(arguments));
        let error = of(&["--language", "pascal"]).err().unwrap().to_string();
        assert_eq!(
            error,
            "there is no language \"pascal\": rust, c, cpp, python, go"
        );
        let error = of(&["--lang"]).err().unwrap().to_string();
        assert!(error.starts_with("invalid option '--lang'"), "{error}");
        let (languages, part) = of(&["--language", "go"]).unwrap().unwrap();
        assert_eq!((languages.len(), part.as_str()), (1, ""));
    }
}
