//! `imtag explain`: a row of the error catalogue.

use std::io::{self, Write};

use imtag_core::Code;
use serde::Serialize;

use crate::exit::{CommandError, Exit};
use crate::output::{Output, Show, wrapped};

#[derive(Serialize)]
struct Explanation {
    code: i32,
    known: bool,
    meaning: Option<&'static str>,
    remedy: &'static str,
    retry: &'static str,
    effect: &'static str,
}

/// Explains an unknown code too: what to do then, and what its effect may be.
pub(super) fn run(output: Output, code: i32) -> Result<Exit, CommandError> {
    let code = Code(code);
    let meaning = code.entry().map(|entry| entry.meaning);
    output.show(&Explanation {
        code: code.0,
        known: meaning.is_some(),
        meaning,
        remedy: code.remedy(),
        retry: code.retry().name(),
        effect: code.effect().name(),
    })?;
    Ok(Exit::Done)
}

impl Show for Explanation {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let meaning = self.meaning.unwrap_or("unknown code");
        let meaning = format_args!("{}: {meaning}", self.code);
        writeln!(out, "{}", wrapped(meaning, 13))?;
        let remedy = format_args!("what to do:  {}", self.remedy);
        writeln!(out, "{}", wrapped(remedy, 13))?;
        writeln!(out, "call again:  {}", self.retry)?;
        writeln!(out, "effect:      {}", self.effect)
    }
}
