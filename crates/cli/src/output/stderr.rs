//! Standard error, as people see it: messages, and below them at most one line that changes while a command is at work.
//! Everything goes through here, so that a message and that line do not write into each other. Where the log is JSON,
//! messages are objects of it too: whatever reads it meets nothing else.

use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::Level;

use super::record::{Format, Record};
use super::text::{USUAL_WIDTH, without_secrets};

/// The line that changes.
static LINE: Mutex<Line> = Mutex::new(Line {
    text: String::new(),
    is_over: false,
    format: Format::Text,
});

struct Line {
    /// Empty if there is none.
    text: String,
    /// True once the command ends: no line is shown any more.
    is_over: bool,
    /// That of messages.
    format: Format,
}

/// From the start of the line to its end.
const ERASE: &str = "\r\x1b[K";

/// True if standard error can take a line back.
pub(crate) fn is_possible() -> bool {
    let terminal = std::env::var("TERM").unwrap_or_default();
    io::stderr().is_terminal() && !matches!(terminal.as_str(), "" | "dumb")
}

/// Columns that stay free: a full line may wrap, and a terminal shows Ctrl-C as `^C`.
const FREE: usize = 3;

/// How many columns a line may take just now.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let columns = match size.map_or(0, |size| usize::from(size.ws_col)) {
        0 => USUAL_WIDTH,
        columns => columns,
    };
    columns.saturating_sub(FREE)
}

/// Shows a line in place of the one before. It must fit, and be ASCII: each letter then takes a column.
pub(crate) fn show(text: String) {
    let mut line = line();
    if !line.is_over {
        write(&format!("\r{text}\x1b[K"));
        line.text = text;
    }
}

/// Takes the line back.
pub(crate) fn clear() {
    line().clear();
}

/// Takes the line back as the command ends. A thread that is still at work shows none any more.
pub(crate) fn end() {
    let mut line = line();
    line.clear();
    line.is_over = true;
}

/// From here on messages have this form.
pub(super) fn set_format(format: Format) {
    line().format = format;
}

/// The form that messages have.
pub(super) fn format() -> Format {
    line().format
}

/// Says something to people beside the result, without secrets: it leaves the process.
pub(crate) fn note(message: impl fmt::Display) {
    say_to_people(Level::INFO, "", &without_secrets(&message.to_string()));
}

/// Says what is probably a mistake, as `note` does.
pub(crate) fn note_warning(message: impl fmt::Display) {
    let message = without_secrets(&message.to_string());
    say_to_people(Level::WARN, "warning: ", &message);
}

/// Says why something failed, as `note` does.
pub(crate) fn note_error(message: impl fmt::Display) {
    say_to_people(Level::ERROR, "", &without_secrets(&message.to_string()));
}

/// Names a user of the result who failed to people. Any name is shown as it is.
pub(crate) fn note_user(message: impl fmt::Display) {
    say_to_people(Level::ERROR, "", &message.to_string());
}

fn say_to_people(level: Level, kind: &str, message: &str) {
    let format = line().format;
    match format {
        Format::Text => say(&format!("imtag: {kind}{message}")),
        Format::Json => say(&Record::from_message(level, message).line(format)),
    }
}

/// Writes a message above the line that changes.
pub(super) fn say(message: &str) {
    let line = line();
    match line.text.as_str() {
        "" => write(&format!("{message}\n")),
        text => write(&format!("{ERASE}{message}\n{text}")),
    }
}

impl Line {
    fn clear(&mut self) {
        if !self.text.is_empty() {
            write(ERASE);
            self.text.clear();
        }
    }
}

fn line() -> MutexGuard<'static, Line> {
    LINE.lock()
}

/// In one piece. Where standard error is closed, nothing can be said.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
