//! A body that has been checked: users with tags, or accounts alone. Every violation is found, not only the first.

use serde::Serialize;

use crate::plan::Slot;
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
            let limit = if replace {
                TagLimit::OfUser
            } else {
                TagLimit::OfRequest
            };
            check.tags(TagList::OfUser(user), given_tags, limit, |tag| {
                tags.push(tag);
            });
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

    /// A body of changes that were checked one by one, by these rules.
    pub(crate) fn from_slots(rules: &Rules, slots: &'a [Slot]) -> Checked<'a> {
        let mut users = Vec::with_capacity(slots.len());
        let mut tags = Vec::new();
        for slot in slots {
            tags.extend(slot.tags().map(Tag::from_checked));
            users.push((Account::from_checked(slot.account()), tags.len()));
        }
        let body = Body::Users {
            users,
            tags,
            replace: false,
        };
        Checked {
            rules: *rules,
            body,
        }
    }

    /// A body of their accounts alone.
    pub(crate) fn from_accounts_of(rules: &Rules, slots: &'a [Slot]) -> Checked<'a> {
        let accounts = slots
            .iter()
            .map(|slot| Account::from_checked(slot.account()));
        Checked {
            rules: *rules,
            body: Body::Accounts(accounts.collect()),
        }
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

/// A check under way: what has been seen, and what has been found wrong. Requests and changes have it in common.
pub(crate) struct Check<'a, 'l> {
    rules: &'l Rules,
    count: usize,
    accounts: Seen<'a>,
    violations: Vec<Violation>,
}

/// Whose tags are checked.
#[derive(Clone, Copy)]
pub(crate) enum TagList {
    /// Those of a request's user, by its position.
    OfUser(usize),
    /// Those of a change.
    OfChange,
}

/// How many different tags may be given.
#[derive(Clone, Copy)]
pub(crate) enum TagLimit {
    /// As many as one request takes of a user.
    OfRequest,
    /// As many as a user carries.
    OfUser,
    /// Any number.
    None,
}

impl TagList {
    fn place(self) -> Place {
        match self {
            TagList::OfUser(user) => Place::UserTags(user),
            TagList::OfChange => Place::TagsOfChange,
        }
    }

    fn place_of(self, index: usize) -> Place {
        match self {
            TagList::OfUser(user) => Place::Tag(user, index),
            TagList::OfChange => Place::TagOfChange(index),
        }
    }
}

impl<'a, 'l> Check<'a, 'l> {
    pub(crate) fn new(rules: &'l Rules) -> Self {
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

    pub(crate) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// The only account that there is.
    pub(crate) fn lone_account(&mut self, account: impl Text<'a>, place: Place) {
        if let Err(problem) = Account::check(account, self.rules) {
            self.found(place, problem);
        }
    }

    /// One account of several.
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

    /// Hands each good tag to `keep`, once: the tags of a user are a set.
    pub(crate) fn tags<T: Text<'a>>(
        &mut self,
        list: TagList,
        given: impl IntoIterator<Item = T>,
        limit: TagLimit,
        mut keep: impl FnMut(Tag<'a>),
    ) {
        let mut seen = Seen::default();
        let (mut given_any, mut count) = (false, 0);
        for (index, tag) in given.into_iter().enumerate() {
            given_any = true;
            match Tag::check(tag, self.rules) {
                Err(problem) => self.found(list.place_of(index), problem),
                Ok(tag) if seen.before(tag.as_str(), index).is_none() => {
                    count += 1;
                    keep(tag);
                }
                Ok(_) => {}
            }
        }
        let limits = &self.rules.limits;
        let (in_request, of_user) = (limits.tags_per_user_and_request, limits.tags_per_user);
        let too_many = match limit {
            _ if !given_any => Some(Problem::None),
            TagLimit::OfRequest if count > in_request => Some(Problem::TooMany {
                count,
                most: in_request,
            }),
            TagLimit::OfUser if count > of_user => Some(Problem::TooManyToCarry {
                count,
                most: of_user,
            }),
            TagLimit::OfRequest | TagLimit::OfUser | TagLimit::None => None,
        };
        if let Some(problem) = too_many {
            self.found(list.place(), problem);
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
