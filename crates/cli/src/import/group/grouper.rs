//! The grouper: puts the rows of one partition together by user. The last row on each tag wins. The result is what to
//! clear, to remove and to add, in this order:
//!
//! - rows before a clear are void, and rows after it remove nothing, as nothing is left to remove;
//! - a tag is in at most one of the two sets, at the place where the user's rows name it first.
//!
//! Example: the rows `add vip`, `remove vip`, `add ios` and `add vip` of one user come to: add vip and ios.
//!
//! ```text
//! add ─► is_full? ─► compact: drops the rows that say nothing new
//!  ▲────────┘            │
//!  └─────────────────────┘        finish ─► users, in the order of their slots
//! ```
//!
//! The rows of a user are a linked list in one vector:
//!
//! ```text
//! chains   alice: first 0, last 3          bob: first 1, last 1
//! rows     0 add vip, next 2   1 add ios   2 remove vip, next 3   3 add beijing
//! ```
//!
//! Whether a user has had a tag is one look-up in `TagPlaces`, so a row costs the same however many rows its user has.

use std::cmp::Reverse;
use std::io;

use imtag_core::{ChangeOperation, Limits};

use super::entry::{Entry, EntryTag, NUMBERED_TAGS, changed};
use super::interner::Interner;

/// The number of rows above which those that say nothing new are dropped. Fewer in tests.
const ROWS: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// Ends a chain.
const NONE: u32 = u32::MAX;

/// The word of a row that clears.
const CLEAR: u32 = u32::MAX;

/// The rows of a partition, and then its users.
#[derive(Default)]
pub(crate) struct Grouper {
    accounts: Interner,
    /// Tags that have no number in the whole file. Here their numbers begin at [`NUMBERED_TAGS`].
    inline_tags: Interner,
    chains: Vec<Chain>,
    rows: Vec<Row>,
    /// The number of rows at which to compact them.
    compact_at: usize,
    tag_places: TagPlaces,
    tags: Vec<u32>,
    users: Vec<GroupedUser>,
}

/// The rows of a user.
#[derive(Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
}

/// A tag and what is done to it in one word (twice the tag's number, plus 1 to remove it), and the user's next row.
#[derive(Clone, Copy)]
struct Row {
    word: u32,
    next: u32,
}

/// For each tag by its number, its place among the tags of the current user.
#[derive(Default)]
struct TagPlaces {
    entries: Vec<TagPlace>,
    /// The number of the current user. Entries of another round are void, so they are not cleared for each user.
    round: u32,
}

#[derive(Clone, Copy, Default)]
struct TagPlace {
    round: u32,
    at: u32,
}

/// A user of the partition: the number of the account, and the range of the tags.
#[derive(Clone, Copy)]
struct GroupedUser {
    account: u32,
    clear: bool,
    start: u32,
    /// Tags before it are removed, tags from it on are added.
    middle: u32,
    end: u32,
    slots: u32,
}

/// The changes of a user.
pub(crate) struct User<'g> {
    pub(crate) account: &'g str,
    /// First all tags are removed.
    pub(crate) clear: bool,
    /// Then these are removed. None if all tags were.
    pub(crate) remove: TagList<'g>,
    /// Then these are added.
    pub(crate) add: TagList<'g>,
}

impl User<'_> {
    /// The changes to make, in this order. Their names keep to the rules, as the rows were checked.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (ChangeOperation, Vec<String>)> {
        use ChangeOperation::{Add, Clear, Remove};
        let has = |tags: TagList<'_>| tags.len() > 0;
        let owned = |tags: TagList<'_>| tags.iter().map(str::to_owned).collect();
        let clear = self.clear.then(|| (Clear, Vec::new()));
        let remove = has(self.remove).then(|| (Remove, owned(self.remove)));
        let add = has(self.add).then(|| (Add, owned(self.add)));
        clear.into_iter().chain(remove).chain(add)
    }

    /// True if tags are added after a clear or a remove.
    pub(crate) fn is_removed_then_added(&self) -> bool {
        (self.clear || self.remove.len() > 0) && self.add.len() > 0
    }
}

/// Tags of a user, each once.
#[derive(Clone, Copy)]
pub(crate) struct TagList<'g> {
    numbers: &'g [u32],
    names: &'g Interner,
    inline_tags: &'g Interner,
}

impl<'g> TagList<'g> {
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'g str> + use<'g> {
        let TagList {
            names, inline_tags, ..
        } = *self;
        self.numbers.iter().map(
            move |number| match number.checked_sub(NUMBERED_TAGS as u32) {
                None => names.get(*number),
                Some(number) => inline_tags.get(number),
            },
        )
    }
}

impl Grouper {
    /// Forgets the partition before.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.inline_tags.clear();
        self.chains.clear();
        self.rows.clear();
        self.compact_at = ROWS;
        self.tags.clear();
        self.users.clear();
    }

    /// Takes a row. Numbers of tags must be below `numbered`.
    ///
    /// # Errors
    /// If a row cannot be one that was written.
    #[inline]
    pub(crate) fn add(&mut self, entry: Entry<'_>, numbered: usize) -> io::Result<()> {
        let user = number(&mut self.accounts, entry.account)? as usize;
        if user == self.chains.len() {
            self.chains.push(Chain {
                first: NONE,
                last: NONE,
            });
        }
        if entry.op == ChangeOperation::Clear {
            self.chains[user].first = NONE;
            self.link(user, CLEAR);
            return Ok(());
        }
        for tag in entry.tags() {
            let tag = match tag {
                EntryTag::Numbered(tag) if (tag as usize) < numbered => tag,
                EntryTag::Numbered(_) => return Err(changed()),
                EntryTag::Inline(tag) => number(&mut self.inline_tags, tag)? + NUMBERED_TAGS as u32,
            };
            self.link(
                user,
                tag << 1 | u32::from(entry.op == ChangeOperation::Remove),
            );
        }
        Ok(())
    }

    #[inline]
    fn link(&mut self, user: usize, word: u32) {
        let at = self.rows.len() as u32; // four billion rows are over any bound of memory
        let chain = &mut self.chains[user];
        match chain.first {
            NONE => chain.first = at,
            _ => self.rows[chain.last as usize].next = at,
        }
        chain.last = at;
        self.rows.push(Row { word, next: NONE });
    }

    /// True if the rows must be compacted.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= self.compact_at
    }

    /// Drops the rows that say nothing new.
    pub(crate) fn compact(&mut self) {
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
        self.compact_at = ROWS.max(2 * kept.len());
        self.rows = kept;
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.accounts.bytes()
            + self.inline_tags.bytes()
            + size_of::<Row>() * self.rows.len()
            + (size_of::<Chain>() + size_of::<GroupedUser>()) * self.chains.len()
    }

    /// The account of the first row.
    pub(crate) fn first_account(&self) -> &str {
        self.accounts.get(0)
    }

    /// Takes the last word on each tag of a user into `own`. True if they come after a clear.
    fn last_words(&mut self, chain: Chain, own: &mut Vec<u32>) -> bool {
        let mut clear = false;
        self.tag_places.next_round();
        let mut at = chain.first;
        while at != NONE {
            let Row { word, next } = self.rows[at as usize];
            at = next;
            if word == CLEAR {
                clear = true;
                continue;
            }
            match self.tag_places.get_or_insert(word >> 1, own.len()) {
                Some(place) => own[place] = word,
                None => own.push(word),
            }
        }
        clear
    }

    /// Works out the changes of each user, once all rows are there. Users with the most slots come first, which takes the
    /// fewest requests; users with equally many stay in the order of the file.
    pub(crate) fn finish(&mut self, limits: &Limits) {
        let mut own = Vec::new();
        let per_slot = limits.tags_per_user_and_request.max(1);
        for account in 0..self.chains.len() {
            let clear = self.last_words(self.chains[account], &mut own);
            let start = self.tags.len();
            if !clear {
                self.tags.extend(tags_of(&own, true));
            }
            let middle = self.tags.len();
            self.tags.extend(tags_of(&own, false));
            let end = self.tags.len();
            own.clear();
            let slots = match end - middle {
                added if added > limits.tags_per_user => 0,
                added => added.div_ceil(per_slot) + (middle - start).div_ceil(per_slot),
            };
            self.users.push(GroupedUser {
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

    /// The number of users.
    pub(crate) fn count(&self) -> usize {
        self.users.len()
    }

    /// A user by its number.
    pub(crate) fn user<'g>(&'g self, at: usize, names: &'g Interner) -> User<'g> {
        let user = self.users[at];
        let list = |start: u32, end: u32| TagList {
            numbers: &self.tags[start as usize..end as usize],
            names,
            inline_tags: &self.inline_tags,
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
fn tags_of(words: &[u32], remove: bool) -> impl Iterator<Item = u32> + '_ {
    let words = words.iter().filter(move |word| (**word & 1 == 1) == remove);
    words.map(|word| word >> 1)
}

fn number(names: &mut Interner, name: &[u8]) -> io::Result<u32> {
    let number = names.number(name, usize::MAX);
    number.ok().flatten().ok_or_else(changed)
}

impl TagPlaces {
    fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.entries.fill(TagPlace::default());
            self.round = 1;
        }
    }

    /// The place of the tag if it has one, else gives it the place `at`.
    #[inline]
    fn get_or_insert(&mut self, tag: u32, at: usize) -> Option<usize> {
        let tag = tag as usize;
        if tag >= self.entries.len() {
            self.entries
                .resize((tag + 1).next_power_of_two(), TagPlace::default());
        }
        let entry = &mut self.entries[tag];
        if entry.round == self.round {
            return Some(entry.at as usize);
        }
        *entry = TagPlace {
            round: self.round,
            at: at as u32,
        };
        None
    }
}
