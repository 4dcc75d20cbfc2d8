//! What goes to standard output and standard error. A result is data; here it becomes text for people or one JSON
//! object for programs. A reader that has gone away is no error: nobody misses what it did not want to read. Every
//! other failure to write is one, and a secret then goes nowhere.

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;

use crate::failure::CommandError;
use crate::status_line;

/// Standard output, in one of its two forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// A result that can be shown in both forms.
pub(crate) trait Show: Serialize {
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;

    /// True for a change of users: who failed may stand nowhere else, so standard error gets the result where standard
    /// output does not take it. What was only read or made can be asked for again, and may be a secret.
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
        .map_err(CommandError::Output)
    }
}

/// Writes a line to standard output.
pub(crate) fn print_line(line: &str) -> Result<(), CommandError> {
    print(|out| writeln!(out, "{line}")).map_err(CommandError::Output)
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(StandardOutput);
    let written = write(&mut out).and_then(|()| out.flush());
    // what it did not take would be tried once more when the buffer is dropped
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

/// What was done is done, whether or not its report finds a place: so that no name in it is lost, standard error gets
/// all of it as text.
fn tell_all_the_same(result: &impl Show, error: &io::Error) {
    note(format_args!(
        "this was done, but standard output does not take it ({error}):"
    ));
    // there is no further place to turn to
    let _ = result.text(&mut io::stderr());
}

fn write_json(result: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, result)?;
    writeln!(out)
}

/// Says something to people beside the result.
pub(crate) fn note(message: impl std::fmt::Display) {
    status_line::say(&format!("imtag: {message}"));
}
