//! The body of an answer, hidden from ureq: ureq logs every byte that it reads, and an answer may repeat the UserSig. So
//! ureq gets the framing that says where the body ends, and an `x` for each byte of content. The content is kept aside.
//!
//! ```text
//! arrives:    5\r\nhello\r\n0\r\n\r\n
//! ureq gets:  5\r\nxxxxx\r\n0\r\n\r\n      content: hello
//! ```

/// Replaces a byte that ureq need not see.
const COVER: u8 = b'x';

/// Where in a body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// In a body without chunks: all bytes are content.
    Plain,
    /// In the line with the next chunk's size.
    Size { bytes: u64, extension: bool },
    /// In a chunk, with so many bytes left.
    Chunk(u64),
    /// In the line end after a chunk.
    ChunkEnd,
    /// In the lines after the last chunk.
    Trailer,
}

impl Body {
    const SIZE: Body = Body::Size {
        bytes: 0,
        extension: false,
    };

    pub(super) fn new(chunked: bool) -> Body {
        if chunked { Body::SIZE } else { Body::Plain }
    }

    /// Takes what has arrived: appends content to `content`, and covers in `arrived` what ureq need not see.
    pub(super) fn take(&mut self, arrived: &mut [u8], content: &mut Vec<u8>) {
        let mut rest = arrived;
        while !rest.is_empty() {
            let of_content = match self {
                Body::Plain => rest.len(),
                Body::Chunk(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len()),
                _ => 0,
            };
            if of_content == 0 {
                let (first, others) = rest.split_at_mut(1);
                self.take_framing(&mut first[0]);
                rest = others;
                continue;
            }
            let (now, later) = rest.split_at_mut(of_content);
            content.extend_from_slice(now);
            now.fill(COVER);
            rest = later;
            if let Body::Chunk(left) = self {
                *left -= of_content as u64;
                if *left == 0 {
                    *self = Body::ChunkEnd;
                }
            }
        }
    }

    fn take_framing(&mut self, byte: &mut u8) {
        match self {
            Body::Size { bytes, extension } => match *byte {
                b'\n' if *bytes == 0 => *self = Body::Trailer,
                b'\n' => *self = Body::Chunk(*bytes),
                b'\r' => {}
                b';' => *extension = true,
                b' ' | b'\t' if !*extension => {}
                digit if !*extension && digit.is_ascii_hexdigit() => {
                    let digit = char::from(digit).to_digit(16).unwrap_or(0);
                    *bytes = bytes.saturating_mul(16).saturating_add(digit.into());
                }
                _ => *byte = COVER,
            },
            Body::ChunkEnd if *byte == b'\n' => *self = Body::SIZE,
            _ if b"\r\n".contains(byte) => {}
            _ => *byte = COVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ureq gets, and the content, where the body arrives whole, in two pieces, and byte by byte.
    fn read(chunked: bool, body: &str) -> (String, String) {
        let pieces = |sizes: &[usize]| {
            let (mut passed, mut content) = (body.as_bytes().to_vec(), Vec::new());
            let mut state = Body::new(chunked);
            let mut rest = passed.as_mut_slice();
            for size in sizes {
                let (now, later) = rest.split_at_mut(*size);
                state.take(now, &mut content);
                rest = later;
            }
            (
                String::from_utf8(passed).unwrap(),
                String::from_utf8(content).unwrap(),
            )
        };
        let whole = pieces(&[body.len()]);
        for at in 0..=body.len() {
            assert_eq!(pieces(&[at, body.len() - at]), whole);
        }
        assert_eq!(pieces(&vec![1; body.len()]), whole);
        whole
    }

    fn both(passed: &str, content: &str) -> (String, String) {
        (passed.to_owned(), content.to_owned())
    }

    #[test]
    fn only_what_says_where_a_body_ends_is_passed_on() {
        assert_eq!(read(false, "eJyr\r\n5"), both("xxxxxxx", "eJyr\r\n5"));
        assert_eq!(
            read(
                true,
                "4\r\neJyr\r\nA ;n=eJyr\r\n5\r\n0123456\r\n0\r\neJ: y\r\n\r\n"
            ),
            both(
                "4\r\nxxxx\r\nA ;xxxxxx\r\nxxxxxxxxxx\r\n0\r\nxxxxx\r\n\r\n",
                "eJyr5\r\n0123456"
            )
        );
        // no number: ureq refuses it
        assert_eq!(read(true, "eJyr\r\n"), both("exxx\r\n", ""));
        assert_eq!(read(true, "1\r\nayz\r\n"), both("1\r\nxxx\r\n", "a"));
    }
}
