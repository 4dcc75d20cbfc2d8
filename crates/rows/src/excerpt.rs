//! The start of a text, for a message about it.

/// Characters of a line that are shown, at most.
const SHOWN: usize = 60;

/// The start of a line, for a message.
#[must_use]
pub fn start_of_line(line: &str) -> String {
    start_of_text(line, SHOWN)
}

/// The first characters of a text, with a sign if there are more.
#[must_use]
pub fn start_of_text(text: &str, most: usize) -> String {
    let mut start: String = text.chars().take(most).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}
