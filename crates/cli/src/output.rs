//! What goes to standard output and standard error. A result is data; here it becomes text for people or one JSON
//! object for programs. A reader that has gone away is no error: nobody misses what it did not want to read.

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;

use crate::failure::CommandError;

/// Standard output, in one of its two forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// A result that can be shown in both forms.
pub(crate) trait Show: Serialize {
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
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
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match self.json {
            true => write_json(result, &mut out),
            false => result.text(&mut out),
        };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let _ = out.into_parts();
                tell_all_the_same(result, &error);
                Err(CommandError::Output(error))
            }
            _ => {
                // a broken pipe would be met again when what is left is flushed on drop
                let _ = out.into_parts();
                Ok(())
            }
        }
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

fn write_json(result: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, result)?;
    writeln!(out)
}

/// Says something to people beside the result. Where standard error is closed there is nobody to tell.
pub(crate) fn note(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "imtag: {message}");
}
