//! `cargo xtask lock`: writes the locks anew from what is asked for in `requirements/*.in`.

use imtag_checks::pypi::VirtualEnv;
use imtag_checks::pypi::lock::{BUILD, LOCK, LOCKS, folder};

use crate::Error;
use crate::install::build;
use crate::program::output;

const HELP: &str = "\
Usage: cargo xtask lock [--upgrade]

Writes crates/xtask/requirements/*.txt: what the .in files beside them ask for, with all that it pulls in, in exact
versions that every Python from 3.9 on can have, with hashes.

  --upgrade   take the newest of what is pulled in too, and not what is locked if that still does
";

/// The oldest Python that the locks are for.
const PYTHON: &str = "3.9";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    use lexopt::prelude::*;
    let mut upgrade = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("upgrade") => upgrade = true,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
        }
    }
    let tools = VirtualEnv::locked(LOCK, build::target()?.join("lock"))?;
    for name in LOCKS {
        let mut uv = tools.program("uv");
        uv.current_dir(folder());
        uv.args("pip compile --quiet".split(' '));
        uv.args(["--no-config", "--universal", "--generate-hashes"]);
        uv.args(["--python-version", PYTHON, "--fork-strategy", "fewest"]);
        uv.args([
            "--no-annotate",
            "--custom-compile-command",
            "cargo xtask lock",
        ]);
        uv.arg(format!("{name}.in"));
        uv.args(["--output-file", &format!("{name}.txt")]);
        if name != BUILD && name != LOCK {
            uv.args(["--constraint", &format!("{BUILD}.txt")]);
        }
        output(uv.args(upgrade.then_some("--upgrade")))?;
        println!("wrote {}", folder().join(format!("{name}.txt")).display());
    }
    Ok(())
}
