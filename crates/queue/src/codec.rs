//! Changes and failures as bytes: texts with their lengths, and a checksum before all.
//!
//! ```text
//! block    crc32 · change …
//! change   op · account · tags: count, text …
//! text     length · bytes         a length or count is a byte, and five where it is 255 or more
//! ```
//!
//! SQLite finds a page that does not go together with others. The checksum finds a byte that has changed in a text: a tag
//! that nobody gave would else be sent.

use imtag_core::{ChangeOperation, ChangeRequest};

/// The bytes are not as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

const CHECKSUM: usize = 4;
const LONG: u8 = 255;

const OPERATIONS: [ChangeOperation; 4] = [
    ChangeOperation::Add,
    ChangeOperation::Remove,
    ChangeOperation::Clear,
    ChangeOperation::Replace,
];

/// Bytes that are being written.
#[derive(Debug, Clone)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer(vec![0; CHECKSUM])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn number(&mut self, number: u32) {
        match u8::try_from(number) {
            Ok(short) if short < LONG => self.0.push(short),
            _ => {
                self.0.push(LONG);
                self.0.extend(number.to_le_bytes());
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(
            u32::try_from(text.len()).expect("no text is longer than the memory of a post"),
        );
        self.0.extend(text.as_bytes());
    }

    pub(crate) fn change<'t>(
        &mut self,
        operation: ChangeOperation,
        account: &str,
        tags: impl ExactSizeIterator<Item = &'t str>,
    ) {
        let number = OPERATIONS.iter().position(|it| *it == operation);
        self.byte(number.and_then(|it| u8::try_from(it).ok()).unwrap_or(LONG));
        self.text(account);
        self.number(u32::try_from(tags.len()).expect("no change has so many tags"));
        for tag in tags {
            self.text(tag);
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let checksum = crc32fast::hash(&self.0[CHECKSUM..]);
        self.0[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// Bytes that are being read; their checksum is right.
pub(crate) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Result<Reader<'b>, Damaged> {
        let (checksum, rest) = bytes.split_first_chunk::<CHECKSUM>().ok_or(Damaged)?;
        if u32::from_le_bytes(*checksum) == crc32fast::hash(rest) {
            Ok(Reader(rest))
        } else {
            Err(Damaged)
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u32, Damaged> {
        let short = self.byte()?;
        if short < LONG {
            return Ok(short.into());
        }
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Damaged)
    }

    pub(crate) fn change(&mut self) -> Result<(ChangeOperation, &'b str, Vec<&'b str>), Damaged> {
        let operation = OPERATIONS.get(usize::from(self.byte()?)).ok_or(Damaged)?;
        let account = self.text()?;
        let tags = self.number()?;
        let tags = (0..tags).map(|_| self.text()).collect::<Result<_, _>>()?;
        Ok((*operation, account, tags))
    }

    /// Nothing comes behind.
    pub(crate) fn finish(self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}

/// Calls `each` for every change of a block, with its place in it.
pub(crate) fn read_block(
    bytes: &[u8],
    mut each: impl FnMut(u32, ChangeOperation, &str, &[&str]),
) -> Result<u32, Damaged> {
    let mut reader = Reader::new(bytes)?;
    let mut count = 0;
    while !reader.0.is_empty() {
        let (operation, account, tags) = reader.change()?;
        each(count, operation, account, &tags);
        count += 1;
    }
    Ok(count)
}

/// The change, as it was posted.
pub(crate) fn request(operation: ChangeOperation, account: &str, tags: &[&str]) -> ChangeRequest {
    match operation {
        ChangeOperation::Add => ChangeRequest::add(account, tags),
        ChangeOperation::Remove => ChangeRequest::remove(account, tags),
        ChangeOperation::Clear => ChangeRequest::clear(account),
        ChangeOperation::Replace => ChangeRequest::replace(account, tags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(changes: &[ChangeRequest]) -> Vec<u8> {
        let mut writer = Writer::new();
        for change in changes {
            writer.change(change.operation(), change.account(), change.tags());
        }
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Result<Vec<ChangeRequest>, Damaged> {
        let mut changes = Vec::new();
        read_block(bytes, |_, operation, account, tags| {
            changes.push(request(operation, account, tags));
        })?;
        Ok(changes)
    }

    #[test]
    fn changes_are_read_as_they_were_written() {
        let many: Vec<String> = (0..300).map(|nth| format!("tag-{nth}")).collect();
        let changes = [
            ChangeRequest::add("bob", ["vip", "北京", ""]),
            ChangeRequest::remove("x".repeat(254), &many),
            ChangeRequest::clear("y".repeat(255)),
            ChangeRequest::replace("", ["z".repeat(256)]),
        ];
        assert_eq!(read(&block(&changes)).unwrap(), changes);
        assert_eq!(read(&block(&[])).unwrap(), []);
    }

    #[test]
    fn no_changed_or_missing_byte_passes_unseen() {
        let bytes = block(&[ChangeRequest::add("bob", ["vip", "北京"])]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read(&changed), Err(Damaged), "{at}");
            assert_eq!(read(&bytes[..at]), Err(Damaged), "{at}");
        }
        assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(Damaged));
        assert_eq!(read(&[]), Err(Damaged));
        // a right checksum does not make sense of the rest
        for body in [
            &[0][..],
            &[9, 0, 0],
            &[0, 1, 0xff, 0],
            &[0, 255, 1, 1, 1, 1],
            &[0, 0, 2, 0],
        ] {
            let mut writer = Writer::new();
            body.iter().for_each(|byte| writer.byte(*byte));
            assert_eq!(read(&writer.finish()), Err(Damaged), "{body:?}");
        }
    }
}
