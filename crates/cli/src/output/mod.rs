//! What goes to standard output and standard error. A result is data; here it becomes text for people or one JSON
//! object for programs. A reader that has gone away is no error: it does not want the rest. Every other failure to
//! write is one, and a secret then goes nowhere.

mod json;
pub(crate) mod log;
mod reason;
mod record;
pub(crate) mod stderr;
mod text;

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use imtag_rows::{bounded, code_and_reason, said};
use json::write_json;
pub(crate) use reason::in_words;
pub(crate) use record::Format;
pub(crate) use stderr::{note, note_error, note_user, note_warning};
pub(crate) use text::{Shown, count, without_secrets, wrapped};

use crate::exit::{CommandError, Exit};

/// Standard output, in one of its two forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// A result that can be shown in both forms.
pub(crate) trait Show: Serialize {
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;

    /// True for a change of users. Where standard output does not take such a result, standard error gets it: the names
    /// of those who failed may stand nowhere else. What was read or made can be asked for again, and may be a secret.
    fn tells_of_a_change(&self) -> bool {
        false
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Output {
        Output { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Writes the result as it is made, so that a long list of failures is never held as text.
    pub(crate) fn show(self, result: &impl Show) -> Result<(), CommandError> {
        print(|out| {
            if self.json {
                write_json(result, out)
            } else {
                result.text(out)
            }
        })
        .inspect_err(|error| {
            if result.tells_of_a_change() {
                tell_all_the_same(result, error);
            }
        })
        .map_err(CommandError::output)
    }

    /// Writes a part of a result as text, as soon as it is known.
    pub(crate) fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CommandError> {
        print(write).map_err(CommandError::output)
    }

    /// Says why a command has no result, and returns how the process ends.
    pub(crate) fn finish(self, result: Result<Exit, CommandError>) -> Exit {
        let error = match result {
            Ok(exit) => return exit,
            Err(error) => error,
        };
        stderr::end();
        note_error(&error.sentence);
        if self.json && !error.output_failed {
            print_error(error.exit, &without_secrets(&error.sentence));
        }
        error.exit
    }
}

/// Prints `{"error": {"exit_code": …, "message": …}}`, the object of a command that has no result.
pub(crate) fn print_error(exit: Exit, message: &str) {
    let object: Value = json!({"error": {"exit_code": exit.code(), "message": message}});
    // standard error has the sentence already
    let _ = print(|out| write_json(&object, out));
}

/// Writes a line to standard output.
pub(crate) fn print_line(line: &str) -> Result<(), CommandError> {
    print(|out| writeln!(out, "{line}")).map_err(CommandError::output)
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(StandardOutput);
    let written = write(&mut out).and_then(|()| out.flush());
    // dropping the buffer would write once more what was not taken
    let _ = out.into_parts();
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Standard output without the standard library's own handling, which takes a descriptor that cannot be written for
/// one that takes everything.
struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error gets the whole report as text, so that no name in it is lost: what was done is done.
fn tell_all_the_same(result: &impl Show, error: &io::Error) {
    note(format_args!(
        "this was done, but standard output does not take it ({error}):"
    ));
    // there is no third place to write to
    let _ = result.text(&mut io::stderr());
}
