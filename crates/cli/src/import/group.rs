//! Grouping: the rows of a part are put together by user, wherever they stand in the file, and the last word on each
//! tag wins. What is left of a user's rows is to clear, to remove and to add, in this order:
//!
//! - rows before a clear are void, and what comes after it removes nothing, as nothing is left to remove;
//! - a tag is in one of the two sets at most, at the place where the user's rows name it first.
//!
//! Rows of a user are a chain through one list, and whether a user has had a tag is one look at a mark for the tag, so
//! that a row costs the same however many there are of a user.

use std::cmp::Reverse;
use std::io;

use imtag_core::Limits;

use super::change::Op;
use super::entry::{Entry, EntryTag, NUMBERED_TAGS, changed};
use super::names::Names;

/// Rows that repeat each other are thrown away when there are more than so many; fewer in tests.
const ROWS: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// Ends a chain.
const NONE: u32 = u32::MAX;

/// The word of a row that clears.
const CLEAR: u32 = u32::MAX;

/// The rows of a part, and then its users.
#[derive(Default)]
pub(crate) struct Group {
    accounts: Names,
    /// Tags that have no number in the whole file: here theirs is [`NUMBERED_TAGS`] and more.
    spelt: Names,
    chains: Vec<Chain>,
    rows: Vec<Row>,
    /// When there are so many rows, it is time to look for those that say nothing new.
    look_at: usize,
    marks: Marks,
    tags: Vec<u32>,
    users: Vec<Grouped>,
}

/// The rows of a user.
#[derive(Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
}

/// A tag and what is done to it, and the user's next row.
#[derive(Clone, Copy)]
struct Row {
    word: u32,
    next: u32,
}

/// Where each tag stands among those of the user that is looked at.
#[derive(Default)]
struct Marks {
    of_tags: Vec<Mark>,
    /// Of the user that is looked at.
    round: u32,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    round: u32,
    at: u32,
}

/// A user of the part: the account's number, and where the tags stand.
#[derive(Clone, Copy)]
struct Grouped {
    account: u32,
    clear: bool,
    start: u32,
    /// Before it those that are removed, from it on those that are added.
    middle: u32,
    end: u32,
    slots: u32,
}

/// What is to be done for a user.
pub(crate) struct User<'g> {
    pub(crate) account: &'g str,
    /// First all tags are removed.
    pub(crate) clear: bool,
    /// Then these. None where all were.
    pub(crate) remove: TagList<'g>,
    /// Then these are added.
    pub(crate) add: TagList<'g>,
}

/// Tags of a user, each once.
#[derive(Clone, Copy)]
pub(crate) struct TagList<'g> {
    numbers: &'g [u32],
    names: &'g Names,
    spelt: &'g Names,
}

impl<'g> TagList<'g> {
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'g str> + use<'g> {
        let TagList { names, spelt, .. } = *self;
        self.numbers.iter().map(
            move |number| match number.checked_sub(NUMBERED_TAGS as u32) {
                None => names.get(*number),
                Some(number) => spelt.get(number),
            },
        )
    }
}

impl Group {
    /// Forgets the part before.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.spelt.clear();
        self.chains.clear();
        self.rows.clear();
        self.look_at = ROWS;
        self.tags.clear();
        self.users.clear();
    }

    /// Takes a row. Numbers of tags must be below `numbered`.
    ///
    /// # Errors
    /// Where a row cannot be one that was written.
    #[inline]
    pub(crate) fn add(&mut self, entry: Entry<'_>, numbered: usize) -> io::Result<()> {
        let user = number(&mut self.accounts, entry.account)? as usize;
        if user == self.chains.len() {
            self.chains.push(Chain {
                first: NONE,
                last: NONE,
            });
        }
        if entry.op == Op::Clear {
            self.chains[user].first = NONE;
            self.link(user, CLEAR);
            return Ok(());
        }
        for tag in entry.tags() {
            let tag = match tag {
                EntryTag::Numbered(tag) if (tag as usize) < numbered => tag,
                EntryTag::Numbered(_) => return Err(changed()),
                EntryTag::Spelt(tag) => number(&mut self.spelt, tag)? + NUMBERED_TAGS as u32,
            };
            self.link(user, tag << 1 | u32::from(entry.op == Op::Remove));
        }
        Ok(())
    }

    #[inline]
    fn link(&mut self, user: usize, word: u32) {
        let at = self.rows.len() as u32; // a part of four billion rows is over any bound of memory
        let chain = &mut self.chains[user];
        match chain.first {
            NONE => chain.first = at,
            _ => self.rows[chain.last as usize].next = at,
        }
        chain.last = at;
        self.rows.push(Row { word, next: NONE });
    }

    /// Whether there are so many rows that those which say nothing new should go.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= self.look_at
    }

    /// Throws away the rows that say nothing new.
    pub(crate) fn thin_out(&mut self) {
        let mut own = Vec::new();
        let mut kept = Vec::new();
        for user in 0..self.chains.len() {
            let clear = self.last_words(self.chains[user], &mut own);
            let words = clear.then_some(CLEAR).into_iter().chain(own.drain(..));
            let first = kept.len() as u32;
            kept.extend(words.enumerate().map(|(nth, word)| Row {
                word,
                next: first + nth as u32 + 1,
            }));
            let last = kept.len() as u32 - 1;
            kept[last as usize].next = NONE;
            self.chains[user] = Chain { first, last };
        }
        self.look_at = ROWS.max(2 * kept.len());
        self.rows = kept;
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.accounts.bytes()
            + self.spelt.bytes()
            + size_of::<Row>() * self.rows.len()
            + (size_of::<Chain>() + size_of::<Grouped>()) * self.chains.len()
    }

    /// The account of the first row.
    pub(crate) fn first_account(&self) -> &str {
        self.accounts.get(0)
    }

    /// Takes what is left of the words of a user into `own`, and says whether all before them is cleared.
    fn last_words(&mut self, chain: Chain, own: &mut Vec<u32>) -> bool {
        let mut clear = false;
        self.marks.next_round();
        let mut at = chain.first;
        while at != NONE {
            let Row { word, next } = self.rows[at as usize];
            at = next;
            if word == CLEAR {
                clear = true;
                continue;
            }
            match self.marks.place_of(word >> 1, own.len()) {
                Some(place) => own[place] = word,
                None => own.push(word),
            }
        }
        clear
    }

    /// All rows are there: works out what is to be done for each user. Those with the most slots come first, as then
    /// the fewest requests do; users of the same number stay in the order of the file.
    pub(crate) fn finish(&mut self, limits: &Limits) {
        let mut own = Vec::new();
        let per_slot = limits.tags_per_user_and_request.max(1);
        for account in 0..self.chains.len() {
            let clear = self.last_words(self.chains[account], &mut own);
            let start = self.tags.len();
            if !clear {
                self.tags.extend(of(&own, true));
            }
            let middle = self.tags.len();
            self.tags.extend(of(&own, false));
            let end = self.tags.len();
            own.clear();
            let slots = match end - middle {
                added if added > limits.tags_per_user => 0,
                added => added.div_ceil(per_slot) + (middle - start).div_ceil(per_slot),
            };
            self.users.push(Grouped {
                account: account as u32,
                clear,
                start: start as u32,
                middle: middle as u32,
                end: end as u32,
                slots: slots as u32,
            });
        }
        self.users.sort_by_key(|user| Reverse(user.slots));
    }

    /// How many users there are.
    pub(crate) fn count(&self) -> usize {
        self.users.len()
    }

    /// One of them.
    pub(crate) fn user<'g>(&'g self, at: usize, names: &'g Names) -> User<'g> {
        let user = self.users[at];
        let list = |start: u32, end: u32| TagList {
            numbers: &self.tags[start as usize..end as usize],
            names,
            spelt: &self.spelt,
        };
        User {
            account: self.accounts.get(user.account),
            clear: user.clear,
            remove: list(user.start, user.middle),
            add: list(user.middle, user.end),
        }
    }
}

/// The tags of those words that remove, or of those that add.
fn of(words: &[u32], remove: bool) -> impl Iterator<Item = u32> + '_ {
    let words = words.iter().filter(move |word| (**word & 1 == 1) == remove);
    words.map(|word| word >> 1)
}

fn number(names: &mut Names, name: &[u8]) -> io::Result<u32> {
    match names.number_of_bytes(name, usize::MAX) {
        Ok(Some(number)) => Ok(number),
        _ => Err(changed()),
    }
}

impl Marks {
    fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.of_tags.fill(Mark::default());
            self.round = 1;
        }
    }

    /// Where the tag stands already; from now on it stands `at` if it did not.
    #[inline]
    fn place_of(&mut self, tag: u32, at: usize) -> Option<usize> {
        let tag = tag as usize;
        if tag >= self.of_tags.len() {
            self.of_tags
                .resize((tag + 1).next_power_of_two(), Mark::default());
        }
        let mark = &mut self.of_tags[tag];
        if mark.round == self.round {
            return Some(mark.at as usize);
        }
        *mark = Mark {
            round: self.round,
            at: at as u32,
        };
        None
    }
}
