//! A body that has been checked: users with tags, or accounts alone. Every violation is found, not only the first.

use serde::Serialize;

use crate::seen::Seen;
use crate::{Account, Generation, Invalid, Place, Problem, Rules, Tag, Text, UserTags, Violation};

/// The rules that a body was checked by, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<'a> {
    rules: Rules,
    body: Body<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body<'a> {
    /// Each account and where its tags end in `tags`: two allocations for any number of users.
    Users {
        users: Vec<(Account<'a>, usize)>,
        tags: Vec<Tag<'a>>,
        replace: bool,
    },
    Accounts(Vec<Account<'a>>),
}

impl<'a> Checked<'a> {
    pub(crate) fn users<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
        rules: &Rules,
        replace: bool,
        given: impl IntoIterator<Item = (A, Tags)>,
    ) -> Result<Checked<'a>, Invalid> {
        let mut check = Check::new(rules);
        if replace && rules.generation != Generation::Timpush {
            check.found(Place::Replace, Problem::NeedsTimpush);
        }
        let mut users = Vec::new();
        let mut tags = Vec::new();
        for (account, given_tags) in given {
            let user = check.count;
            let account = check.account(account, Place::UserAccount(user));
            check.tags(user, given_tags, replace, &mut tags);
            users.extend(account.map(|account| (account, tags.len())));
        }
        check.finish(
            Place::Users,
            Body::Users {
                users,
                tags,
                replace,
            },
        )
    }

    pub(crate) fn lone_accounts<A: Text<'a>>(
        rules: &Rules,
        given: impl IntoIterator<Item = A>,
    ) -> Result<Checked<'a>, Invalid> {
        let mut check = Check::new(rules);
        let mut accounts = Vec::new();
        for account in given {
            let place = Place::Account(check.count);
            accounts.extend(check.account(account, place));
        }
        check.finish(Place::Accounts, Body::Accounts(accounts))
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        let checked = match &self.body {
            Body::Users { replace, .. } => {
                let users = self
                    .users_with_tags()
                    .map(|user| (user.account.as_str(), user.tags.iter().map(Tag::as_str)));
                Checked::users(rules, *replace, users)
            }
            Body::Accounts(accounts) => {
                Checked::lone_accounts(rules, accounts.iter().map(Account::as_str))
            }
        };
        checked.map(|_| ())
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = Account<'a>> + '_ {
        let (users, alone): (&[(Account<'a>, usize)], &[Account<'a>]) = match &self.body {
            Body::Users { users, .. } => (users, &[]),
            Body::Accounts(accounts) => (&[], accounts),
        };
        users.iter().map(|user| user.0).chain(alone.iter().copied())
    }

    /// The users with their tags; none in a body of accounts alone.
    pub(crate) fn users_with_tags(&self) -> impl Iterator<Item = UserTags<'_, 'a>> {
        let (users, tags): (&[(Account<'a>, usize)], &[Tag<'a>]) = match &self.body {
            Body::Users { users, tags, .. } => (users, tags),
            Body::Accounts(_) => (&[], &[]),
        };
        users.iter().scan(0, move |start, (account, end)| {
            let tags = &tags[std::mem::replace(start, *end)..*end];
            Some(UserTags {
                account: *account,
                tags,
            })
        })
    }

    pub(crate) fn write_body(&self, out: &mut Vec<u8>) {
        let written = match &self.body {
            Body::Users { replace, .. } => {
                let users = self.users_with_tags().map(|user| UserOnWire {
                    account: user.account.as_str(),
                    tags: user.tags,
                });
                let body = UsersOnWire {
                    users: users.collect(),
                    replace: replace.then_some(1),
                };
                serde_json::to_writer(out, &body)
            }
            Body::Accounts(accounts) => serde_json::to_writer(out, &AccountsOnWire { accounts }),
        };
        written.expect("text, lists and a number are JSON, and memory takes it");
    }
}

#[derive(Serialize)]
struct UsersOnWire<'r> {
    #[serde(rename = "UserTags")]
    users: Vec<UserOnWire<'r>>,
    #[serde(rename = "Replace", skip_serializing_if = "Option::is_none")]
    replace: Option<u8>,
}

#[derive(Serialize)]
struct UserOnWire<'r> {
    #[serde(rename = "To_Account")]
    account: &'r str,
    #[serde(rename = "Tags")]
    tags: &'r [Tag<'r>],
}

#[derive(Serialize)]
struct AccountsOnWire<'r> {
    #[serde(rename = "To_Account")]
    accounts: &'r [Account<'r>],
}

/// A check under way: what has been seen, and what has been found wrong.
struct Check<'a, 'l> {
    rules: &'l Rules,
    count: usize,
    accounts: Seen<'a>,
    violations: Vec<Violation>,
}

impl<'a, 'l> Check<'a, 'l> {
    fn new(rules: &'l Rules) -> Self {
        Check {
            rules,
            count: 0,
            accounts: Seen::default(),
            violations: Vec::new(),
        }
    }

    fn found(&mut self, place: Place, problem: Problem) {
        self.violations.push(Violation { place, problem });
    }

    fn account(&mut self, account: impl Text<'a>, place: Place) -> Option<Account<'a>> {
        let index = self.count;
        self.count += 1;
        let checked = Account::check(account, self.rules).and_then(|account| {
            match self.accounts.before(account.as_str(), index) {
                None => Ok(account),
                Some(first) => Err(Problem::Repeated { first }),
            }
        });
        checked.map_err(|problem| self.found(place, problem)).ok()
    }

    /// Appends the user's tags to `out`, each once: the tags of a user are a set.
    fn tags<T: Text<'a>>(
        &mut self,
        user: usize,
        given: impl IntoIterator<Item = T>,
        replace: bool,
        out: &mut Vec<Tag<'a>>,
    ) {
        let mut seen = Seen::default();
        let start = out.len();
        let mut empty = true;
        for (index, tag) in given.into_iter().enumerate() {
            empty = false;
            match Tag::check(tag, self.rules) {
                Err(problem) => self.found(Place::Tag(user, index), problem),
                Ok(tag) if seen.before(tag.as_str(), index).is_none() => out.push(tag),
                Ok(_) => {}
            }
        }
        let count = out.len() - start;
        let most = if replace {
            self.rules.limits.tags_per_user
        } else {
            self.rules.limits.tags_per_user_and_request
        };
        if empty {
            self.found(Place::UserTags(user), Problem::None);
        } else if count > most {
            let too_many = if replace {
                Problem::TooManyToCarry { count, most }
            } else {
                Problem::TooMany { count, most }
            };
            self.found(Place::UserTags(user), too_many);
        }
    }

    fn finish(mut self, place: Place, body: Body<'a>) -> Result<Checked<'a>, Invalid> {
        let (count, most) = (self.count, self.rules.limits.users_per_request);
        if count == 0 {
            self.found(place, Problem::None);
        } else if count > most {
            self.found(place, Problem::TooMany { count, most });
        }
        match Invalid::from_violations(self.violations) {
            Some(invalid) => Err(invalid),
            None => Ok(Checked {
                rules: *self.rules,
                body,
            }),
        }
    }
}
