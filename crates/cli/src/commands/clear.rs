//! `imtag clear`: the one command that destroys what it cannot give back, so it asks first.

use std::io::{self, BufRead, IsTerminal, Write};

use imtag_core::ClearTags;

use super::call::Caller;
use super::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output::count;

pub(super) fn run(
    context: &Context<'_>,
    accounts: &[String],
    yes: bool,
) -> Result<Exit, CommandError> {
    let caller = Caller::new(context)?;
    let request = ClearTags::with_rules(caller.rules(), accounts)?;
    if !yes {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !terminal {
            return Err(CommandError::usage(
                "clear removes all tags of the users, and there is no terminal to ask on: \
                 say --yes if that is meant",
            ));
        }
        let users = count(accounts.len(), "user", "users");
        let question = format!("Remove all tags of {users}? [y/N] ");
        if !ask(&question, &mut io::stdin().lock(), &mut io::stderr()) {
            return Err(CommandError::new(
                Exit::Interrupted,
                "not confirmed; nothing was sent",
            ));
        }
    }
    caller.call(&request)
}

/// Asks. Anything but a clear yes is a no.
fn ask(question: &str, answer: &mut impl BufRead, out: &mut impl Write) -> bool {
    let asked = out
        .write_all(question.as_bytes())
        .and_then(|()| out.flush());
    let mut line = String::new();
    let read = asked.and_then(|()| answer.read_line(&mut line));
    read.is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let answered = |mut line: &[u8]| {
            let mut asked = Vec::new();
            let yes = ask("Sure? ", &mut line, &mut asked);
            assert_eq!(asked, b"Sure? ");
            yes
        };
        for yes in ["y\n", "Y\n", "yes\n", " yes \r\n", "y"] {
            assert!(answered(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "ye\n", "yes please\n", "\u{fffd}\n"] {
            assert!(!answered(no.as_bytes()), "{no:?}");
        }
        assert!(!answered(b"\xff\n"));
    }
}
