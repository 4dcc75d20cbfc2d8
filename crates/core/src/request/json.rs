//! Writes the body of a request as JSON. Nine tenths of it are accounts and tags, and few texts hold a byte that JSON
//! escapes, so such bytes are looked for eight at a time, and what stands between them is copied at once. What is written
//! is what serde_json writes, to the byte, which a property test holds.

/// Writes `"a",`. Never inlined, and so as fast as this crate is built to be, also for a caller that is built for size.
#[inline(never)]
pub(super) fn item(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, others) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((special, after)) = others.split_first() else {
            break;
        };
        escape(out, *special);
        rest = after;
    }
    out.extend_from_slice(b"\",");
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// How many bytes there are before the first that is escaped: a quote, a backslash, or one below a space.
fn plain_bytes(bytes: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    let first = |at: usize, word: [u8; WORD]| {
        let marked = marked(u64::from_le_bytes(word));
        (marked != 0).then(|| at + marked.trailing_zeros() as usize / 8)
    };
    let Some(last) = bytes.last_chunk::<WORD>() else {
        let found = bytes.iter().position(|byte| is_escaped(*byte));
        return found.unwrap_or(bytes.len());
    };
    let words = bytes.chunks_exact(WORD).enumerate();
    let mut words = words.map(|(at, word)| {
        let mut copy = [0; WORD];
        copy.copy_from_slice(word);
        first(at * WORD, copy)
    });
    // the last word may begin in the one before, where nothing was found
    let found = words.find_map(|found| found);
    let found = found.or_else(|| first(bytes.len() - WORD, *last));
    found.unwrap_or(bytes.len())
}

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The highest bit of the first byte of a word that is escaped, the first being the lowest, and maybe of others after it; 0
/// if none is.
///
/// `word - n * ONES` sets the highest bit of a byte below n, `& !word` leaves out those that had it before, and a borrow
/// only reaches bytes after the first that was found. A byte equals another where their difference, by XOR, is below 1.
fn marked(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, least: u8| word.wrapping_sub(u64::from(least) * ONES) & !word;
    let equal = |byte: u8| below(word ^ (u64::from(byte) * ONES), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        item(&mut out, text);
        let item = String::from_utf8(out).unwrap();
        item.strip_suffix(',').unwrap().to_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn a_text_is_written_as_serde_json_writes_it(
            text in prop_oneof!["\\PC{0,60}", "[ -~\\x00-\\x1f\"\\\\é北]{0,40}", any::<String>()]
        ) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn the_first_byte_that_is_escaped_is_found(bytes: Vec<u8>) {
            let plain = bytes.iter().position(|byte| is_escaped(*byte));
            prop_assert_eq!(plain_bytes(&bytes), plain.unwrap_or(bytes.len()));
        }
    }
}
