//! Reading back what was imported, and comparing it with the file, user by user. Users who failed are not compared:
//! what is known of them stands in the report.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use imtag_transport::{Client, Generation, GetTags, Operation};
use serde::Serialize;

use super::plan::Plan;
use super::tally::Tally;
use crate::interrupt::Interrupt;
use crate::shown::{Shown, count};

/// What was read back.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ReadBack {
    pub(crate) requests: usize,
    /// Users who were tagged, and so are compared.
    pub(crate) users: usize,
    /// Users whose tags are exactly those of the file.
    pub(crate) users_equal: usize,
    pub(crate) differences: Vec<Difference>,
    /// Why it ended before all were read.
    pub(crate) ended_early: Option<String>,
    #[serde(skip)]
    pub(crate) path: &'static str,
}

/// A user whose tags are not those of the file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) account: String,
    pub(crate) missing: Vec<String>,
    pub(crate) unexpected: Vec<String>,
}

pub(crate) fn read_back(
    client: &Client,
    plan: &Plan,
    tally: &Tally<'_>,
    interrupt: &Interrupt,
) -> ReadBack {
    let groups = plan.groups();
    let failed: HashSet<&str> = tally.failures().map(|user| user.account).collect();
    let tagged: Vec<usize> = (0..groups.users())
        .filter(|user| !failed.contains(groups.account(*user)))
        .collect();
    let mut back = ReadBack {
        users: tagged.len(),
        path: Operation::Get.path(Generation::default()),
        ..ReadBack::default()
    };
    for users in tagged.chunks(plan.rules().limits.users_per_request) {
        if interrupt.came() {
            back.ended_early = Some("interrupted".to_owned());
            return back;
        }
        let accounts = users.iter().map(|user| groups.account(*user));
        let request = GetTags::by(plan.rules(), accounts)
            .expect("accounts were checked when they were read, and each is in the file once");
        back.requests += 1;
        let read: HashMap<String, Vec<String>> = match client.get_tag(&request) {
            Ok(outcome) => {
                let users = outcome.tags.into_iter();
                users.map(|user| (user.account, user.tags)).collect()
            }
            Err(error) => {
                back.ended_early = Some(error.to_string());
                return back;
            }
        };
        for user in users {
            let of_file = groups.tags(*user, 0..groups.tag_count(*user)).collect();
            let account = groups.account(*user);
            let of_service = read.get(account).into_iter().flatten();
            back.compare(account, &of_file, &of_service.map(String::as_str).collect());
        }
    }
    back
}

impl ReadBack {
    /// Whether every user was read, and has the tags of the file.
    pub(crate) fn is_equal(&self) -> bool {
        self.users == self.users_equal
    }

    fn compare(&mut self, account: &str, file: &BTreeSet<&str>, service: &BTreeSet<&str>) {
        if file == service {
            self.users_equal += 1;
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
        writeln!(
            out,
            "read back {} of {} users equal to the file, user by user ({requests} of {})",
            self.users_equal, self.users, self.path
        )?;
        for difference in &self.differences {
            writeln!(
                out,
                "  {} differs: missing {:?}, unexpected {:?}",
                Shown(&difference.account),
                difference.missing,
                difference.unexpected
            )?;
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

    #[test]
    fn a_difference_names_what_is_missing_and_what_is_too_much() {
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
        let mut text = Vec::new();
        back.write(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("read back 1 of 2 users equal to the file"));
        assert!(text.contains("bob differs: missing [\"a\"], unexpected [\"c\"]"));
    }
}
