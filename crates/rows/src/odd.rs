//! Odd characters, which nobody means to put into an account or a tag: remains of a conversion or of files that were put
//! together, control characters, and characters that cannot be seen. `vip` and `vip` with one of them are two tags that
//! look the same.
//!
//! The service documents no set of characters, so all others pass: also a tab (an import warns if it looks like a
//! separator), a no-break space, and the joiners that emoji and some scripts need. A row that removes may name odd
//! characters, so that a mistake can be taken back.

/// A byte order mark.
pub const MARK: char = '\u{feff}';

/// Stands for a character that a conversion lost.
const LOST: char = '\u{fffd}';

/// Ends a file of DOS, after its last line or on a line by itself.
const DOS_END: char = '\u{1a}';

/// Characters that take no place or turn the text around them. Not the joiners U+200C and U+200D: emoji and some
/// scripts need them.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// True if a text may hold an odd character, so that its names must be searched.
#[must_use]
pub fn is_in(text: &str) -> bool {
    let is_odd = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    // a loop without a branch takes many bytes at once
    let controls = text.bytes().fold(false, |odd, byte| odd | is_odd(byte));
    let is_wide =
        |c: char| !c.is_ascii() && (c.is_control() || is_invisible(c) || is_joiner(c) || c == LOST);
    controls || (!text.is_ascii() && text.chars().any(is_wide))
}

/// What is wrong with a name, and what to do. `may_be_odd` if it may hold an odd character; `removed` if it, or a tag of
/// it, is to be removed.
#[inline]
#[must_use]
pub fn problem(name: &str, may_be_odd: bool, removed: bool) -> Option<String> {
    if !removed && is_white_space(name) {
        return Some("only white space (leave it out, or fill it)".to_owned());
    }
    may_be_odd.then(|| odd_character(name, removed)).flatten()
}

/// What is wrong with a line that only ends a file of DOS.
#[must_use]
pub fn dos_end(line: &str) -> Option<String> {
    let is_end = !line.is_empty() && line.chars().all(|c| c == DOS_END);
    is_end.then(|| "U+001A, which ends a file of DOS (leave it out)".to_owned())
}

/// True for a name that is not empty and holds only white space.
fn is_white_space(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_whitespace) && name.trim().is_empty()
}

fn odd_character(name: &str, removed: bool) -> Option<String> {
    // only an escape of JSON makes a zero byte: the file has none
    let said = if name.contains('\0') {
        "a zero byte (leave it out)"
    } else if name.contains(MARK) {
        "U+FEFF, a byte order mark, which cannot be seen (leave it out)"
    } else if removed {
        return None;
    } else if name.contains(LOST) {
        "U+FFFD, which stands for a character that was lost before (take it from the source)"
    } else {
        let (c, what) = hidden(name)?;
        return Some(format!(
            "holds U+{:04X}, {what} (leave it out)",
            u32::from(c)
        ));
    };
    Some(format!("holds {said}"))
}

/// The first odd character of the other kinds, and what it is.
fn hidden(name: &str) -> Option<(char, &'static str)> {
    let mut before = None;
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        let joins = |c: Option<char>| {
            c.is_some_and(|c| !c.is_ascii() && !c.is_whitespace() && !is_joiner(c))
        };
        if c == DOS_END {
            return Some((c, "which ends a file of DOS"));
        } else if c.is_control() && c != '\t' {
            return Some((c, "a control character"));
        } else if is_invisible(c)
            || (is_joiner(c) && !(joins(before) && joins(rest.clone().next())))
        {
            return Some((c, "which cannot be seen"));
        }
        before = Some(c);
    }
    None
}

/// Joins the characters beside it, or keeps them apart: the faces of a family in an emoji, the letters of Persian.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named_and_all_else_passes() {
        for white in [" ", "\u{a0}", "\u{3000}\t"] {
            let said = "only white space (leave it out, or fill it)";
            assert_eq!(problem(white, true, false).unwrap(), said, "{white:?}");
        }
        for (name, said) in [
            ("vip\u{1a}", "U+001A, which ends a file of DOS"),
            ("a\u{7}", "U+0007, a control character"),
            ("a\nb", "U+000A, a control character"),
            ("a\u{7f}", "U+007F, a control character"),
            ("a\u{85}b", "U+0085, a control character"),
            ("u4\u{200b}", "U+200B, which cannot be seen"),
            ("\u{200e}u4", "U+200E, which cannot be seen"),
            ("u\u{2060}4", "U+2060, which cannot be seen"),
            ("u\u{202e}4", "U+202E, which cannot be seen"),
            ("u\u{ad}4", "U+00AD, which cannot be seen"),
            ("vip\u{200d}", "U+200D, which cannot be seen"),
            ("京\u{200d}", "U+200D, which cannot be seen"),
            ("a\u{200c}b", "U+200C, which cannot be seen"),
        ] {
            // only an escape of JSON makes a line end
            assert!(is_in(name) || name == "a\nb");
            let said = format!("holds {said} (leave it out)");
            assert_eq!(problem(name, true, false).unwrap(), said, "{name:?}");
            assert_eq!(problem(name, true, true), None, "{name:?} is to be removed");
        }
        for name in [
            "a b",
            "\u{a0}u3",
            "u\u{a0}3",
            "a\tb",
            "👩\u{200d}👧",
            "می\u{200c}خواهم",
            "北京",
            "❤\u{fe0f}",
            "“a”",
        ] {
            assert_eq!(problem(name, true, false), None, "{name:?}");
        }
    }
}
