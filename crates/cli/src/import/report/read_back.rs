//! Reading back what was imported, and comparing it with the file, user by user. Users who failed are not compared:
//! what is known of them is in the report.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use imtag_transport::{Client, Generation, GetTags, Operation};
use serde::Serialize;

use super::reasons::{INDENT, NAMED};
use crate::import::group::{CollectedRows, GroupError};
use crate::import::state::users::{Set, UserSets};
use crate::interrupt::Interrupt;
use crate::output::{Shown, count, wrapped};

/// What was read back.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ReadBack {
    pub(crate) requests: usize,
    /// Users who were tagged, and so are compared.
    pub(crate) users: usize,
    /// Users whose tags are exactly those of the file.
    pub(crate) users_equal: usize,
    /// The first of the others.
    pub(crate) differences: Vec<Difference>,
    #[serde(skip)]
    different: u64,
    /// Why it ended before all were read.
    pub(crate) ended_early: Option<String>,
}

/// A user whose tags are not those of the file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) account: String,
    pub(crate) missing: Vec<String>,
    pub(crate) unexpected: Vec<String>,
}

/// Reads back the users who are done.
pub(crate) fn read_back(
    client: &Client,
    collected: &mut CollectedRows,
    done: &UserSets,
    interrupt: &Interrupt,
) -> Result<ReadBack, GroupError> {
    let mut back = ReadBack::default();
    let at_once = client.rules().limits.users_per_request;
    let mut users = collected.users();
    let mut some = Vec::with_capacity(at_once);
    while let Some((position, user)) = users.next()? {
        if !done.contains(Set::Done, position) {
            continue;
        }
        back.users += 1;
        let tags = user.add.iter().map(str::to_owned).collect();
        some.push((user.account.to_owned(), tags));
        if some.len() == at_once {
            back.read(client, &some, interrupt);
            some.clear();
        }
    }
    if !some.is_empty() {
        back.read(client, &some, interrupt);
    }
    Ok(back)
}

impl ReadBack {
    /// True if every user was read, and has the tags of the file.
    pub(crate) fn is_equal(&self) -> bool {
        self.users == self.users_equal
    }

    /// Reads users and compares them, unless reading has ended early.
    fn read(
        &mut self,
        client: &Client,
        users: &[(String, BTreeSet<String>)],
        interrupt: &Interrupt,
    ) {
        if self.ended_early.is_some() {
            return;
        }
        if interrupt.came() {
            self.ended_early = Some("interrupted".to_owned());
            return;
        }
        let accounts = users.iter().map(|(account, _)| account);
        let request = GetTags::with_rules(client.rules(), accounts)
            .expect("accounts were checked when they were read, and each is in the file once");
        self.requests += 1;
        let read = match client.get_tag(&request) {
            Ok(read) => read.tags,
            Err(error) => {
                self.ended_early = Some(error.to_string());
                return;
            }
        };
        let read = read.into_iter().map(|user| (user.account, user.tags));
        let read: HashMap<String, Vec<String>> = read.collect();
        for (account, of_file) in users {
            let of_file = of_file.iter().map(String::as_str).collect();
            let of_service = read.get(account).into_iter().flatten();
            self.compare(account, &of_file, &of_service.map(String::as_str).collect());
        }
    }

    fn compare(&mut self, account: &str, file: &BTreeSet<&str>, service: &BTreeSet<&str>) {
        if file == service {
            self.users_equal += 1;
            return;
        }
        self.different += 1;
        if self.different > NAMED {
            return;
        }
        let owned = |tag: &&str| (*tag).to_owned();
        self.differences.push(Difference {
            account: account.to_owned(),
            missing: file.difference(service).map(owned).collect(),
            unexpected: service.difference(file).map(owned).collect(),
        });
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let requests = count(self.requests, "request", "requests");
        let equal = format!(
            "read back {} of {} equal to the file, user by user ({requests} of {})",
            self.users_equal,
            count(self.users, "user", "users"),
            Operation::Get.path(Generation::default())
        );
        writeln!(out, "{}", wrapped(equal, INDENT))?;
        for difference in &self.differences {
            writeln!(
                out,
                "  {} differs: missing {:?}, unexpected {:?}",
                Shown(&difference.account),
                difference.missing,
                difference.unexpected
            )?;
        }
        match self.different - self.differences.len() as u64 {
            0 => {}
            more => writeln!(out, "  and {more} more differ")?,
        }
        match &self.ended_early {
            Some(why) => writeln!(out, "  ended early: {}", Shown(why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(back: &ReadBack) -> String {
        let mut text = Vec::new();
        back.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_difference_names_what_is_missing_and_what_is_too_much_and_ten_are_named() {
        let mut back = ReadBack {
            users: 2,
            ..ReadBack::default()
        };
        back.compare("alice", &["a", "b"].into(), &["b", "a"].into());
        assert!(!back.is_equal());
        back.compare("bob", &["a", "b"].into(), &["b", "c"].into());
        assert!(!back.is_equal());
        assert_eq!(
            back.differences,
            [Difference {
                account: "bob".to_owned(),
                missing: vec!["a".to_owned()],
                unexpected: vec!["c".to_owned()],
            }]
        );
        assert!(text(&back).starts_with("read back 1 of 2 users equal to the file"));
        assert!(text(&back).contains("bob differs: missing [\"a\"], unexpected [\"c\"]"));
        for user in 0..1_000 {
            back.compare(&format!("user{user}"), &["a"].into(), &["b"].into());
        }
        let text = text(&back);
        assert_eq!(text.lines().count(), 13);
        assert!(text.ends_with("  and 991 more differ\n"), "{text}");
    }
}
