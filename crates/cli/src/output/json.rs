//! JSON that may go to a terminal.

use std::io::{self, Write};

use imtag_rows::odd::is_invisible;
use serde::Serialize;

/// Writes a line of JSON. JSON itself escapes only the control characters below U+0020: DEL, those from U+0080 on (one of
/// which begins a terminal's commands) and what turns text around are escaped here.
pub(super) fn write_json(value: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Harmless);
    value.serialize(&mut writer)?;
    writeln!(out)
}

/// The same as text, without the line's end.
pub(super) fn to_json(value: &impl Serialize) -> String {
    let mut line = Vec::new();
    write_json(value, &mut line).expect("a Vec takes all that is written to it");
    line.pop();
    String::from_utf8(line).expect("JSON is UTF-8")
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
        let json = to_json(&[text]);
        assert_eq!(json, "[\"北\\u001b[2J\\u007f\\u009b2J\\n\\\"e\"]");
        let read: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [text]);
    }
}
