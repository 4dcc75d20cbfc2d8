//! `cargo xtask bench`: what can only be measured, each beside a peer that is measured in the same run, as machines
//! differ and are seldom idle. No test asserts a figure of these. Which there are is a table.

mod batcher;
mod marshal;
mod quota;

use crate::Error;

/// A benchmark: the word for it, what it measures, and how.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(lexopt::Parser) -> Result<(), Error>,
}

const BENCHES: &[Bench] = &[
    // keep sorted
    Bench {
        name: "batcher",
        about: "2,000 threads that tag one user each, over and over, and what they cost at rest: 35 seconds",
        run: batcher::run,
    },
    Bench {
        name: "marshal",
        about: "a full batch on its way to the library, in Python and Go, against JSON",
        run: marshal::run,
    },
    Bench {
        name: "quota",
        about: "how much of the quota a bulk run uses: a minute and a half",
        run: quota::run,
    },
];

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    match arguments.next()? {
        Some(lexopt::Arg::Value(name)) => match BENCHES.iter().find(|it| name == it.name) {
            Some(bench) => (bench.run)(arguments),
            None => Err(format!("there is no benchmark {name:?}\n\n{}", help()).into()),
        },
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            print!("{}", help());
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
        None => Err(format!("which benchmark?\n\n{}", help()).into()),
    }
}

fn help() -> String {
    let mut help = "Usage: cargo xtask bench NAME\n\n".to_owned();
    for Bench { name, about, .. } in BENCHES {
        help += &format!("  {name:<10} {about}\n");
    }
    help
}
