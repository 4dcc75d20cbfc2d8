//! What goes to standard output and standard error. A result is data; here it becomes text for people or one JSON
//! object for programs. A reader that has gone away is no error: it does not want the rest. Every other failure to
//! write is one, and a secret then goes nowhere.

mod reason;
pub(crate) mod stderr;
mod text;

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use reason::{bounded, code_and_reason, in_words, said};
pub(crate) use stderr::{note, note_user};
pub(crate) use text::{Shown, count, is_invisible, without_secrets, wrapped};

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

    /// Says why a command has no result, and returns how the process ends.
    pub(crate) fn finish(self, result: Result<Exit, CommandError>) -> Exit {
        let error = match result {
            Ok(exit) => return exit,
            Err(error) => error,
        };
        stderr::end();
        note(&error.sentence);
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

/// Writes one line of JSON that may go to a terminal. JSON itself escapes only the control characters below U+0020: DEL,
/// those from U+0080 on (one of which begins a terminal's commands) and what turns text around are escaped here.
fn write_json(result: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = serde_json::Serializer::with_formatter(&mut *out, Harmless);
    result.serialize(&mut writer)?;
    writeln!(out)
}

struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| c.is_control() || is_invisible(c)) {
            let (before, control) = rest.split_at(at);
            let mut chars = control.chars();
            let code = chars.next().map_or(0, u32::from);
            write!(writer, "{before}\\u{code:04x}")?;
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_no_control_character_and_says_the_same() {
        let text = "北\u{1b}[2J\u{7f}\u{9b}2J\n\"e";
        let mut out = Vec::new();
        write_json(&[text], &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let expected = "[\"北\\u001b[2J\\u007f\\u009b2J\\n\\\"e\"]\n";
        assert_eq!(out, expected);
        let read: Vec<String> = serde_json::from_str(&out).unwrap();
        assert_eq!(read, [text]);
    }
}
