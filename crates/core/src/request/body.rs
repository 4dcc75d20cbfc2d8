//! The body of a request: it is written as JSON while its texts are checked, and complete where nothing is wrong with them.

use std::fmt;

use serde_json::Value;

use super::json;
use crate::limits::Rules;
use crate::operation::{ChangeOperation, Operation};
use crate::text::{Account, Check, Text};
use crate::violation::{Invalid, Place, Problem};

/// A body that was checked, and the rules by which it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Body<'a> {
    pub(super) rules: Rules,
    pub(super) form: Form,
    pub(super) accounts: Vec<Account<'a>>,
    pub(super) json: Vec<u8>,
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = String::from_utf8_lossy(&self.json);
        f.debug_tuple("Body").field(&json).finish()
    }
}

/// What is asked for the users of a request: its operation, of which adding has two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Add,
    /// Adds tags in place of those that a user has.
    Replace,
    Remove,
    Get,
    Clear,
}

impl Form {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Form; 5] = [
        Form::Add,
        Form::Replace,
        Form::Remove,
        Form::Get,
        Form::Clear,
    ];

    /// Those of an operation.
    pub(crate) fn of_operation(operation: Operation) -> &'static [Form] {
        match operation {
            Operation::Add => &[Form::Add, Form::Replace],
            Operation::Remove => &[Form::Remove],
            Operation::Get => &[Form::Get],
            Operation::Clear => &[Form::Clear],
        }
    }

    pub(crate) const fn operation(self) -> Operation {
        match self {
            Form::Add | Form::Replace => Operation::Add,
            Form::Remove => Operation::Remove,
            Form::Get => Operation::Get,
            Form::Clear => Operation::Clear,
        }
    }

    /// Whether the users stand with their tags. If not, their accounts alone do.
    fn has_tags(self) -> bool {
        matches!(self, Form::Add | Form::Replace | Form::Remove)
    }

    fn start(self) -> &'static [u8] {
        if self.has_tags() {
            br#"{"UserTags":["#
        } else {
            br#"{"To_Account":["#
        }
    }
}

impl From<ChangeOperation> for Form {
    fn from(operation: ChangeOperation) -> Form {
        match operation {
            ChangeOperation::Add => Form::Add,
            ChangeOperation::Remove => Form::Remove,
            ChangeOperation::Clear => Form::Clear,
            ChangeOperation::Replace => Form::Replace,
        }
    }
}

impl<'a> Body<'a> {
    pub(super) fn users<A: Text<'a>, T: Text<'a>, Tags: IntoIterator<Item = T>>(
        rules: &Rules,
        form: Form,
        given: impl IntoIterator<Item = (A, Tags)>,
    ) -> Result<Body<'a>, Invalid> {
        let mut check = Check::new(rules);
        let limits = &rules.limits;
        if form == Form::Replace {
            check.replaces();
        }
        let given = given.into_iter();
        let mut draft = Draft::new(form, given.size_hint().0);
        let mut count = 0;
        for (user, (account, tags)) in given.enumerate() {
            count += 1;
            if let Some(account) = check.next_account(account, user, Place::UserAccount(user)) {
                draft.account(account);
            }
            check.tags(
                tags,
                Place::UserTags(user),
                |tag| Place::UserTag(user, tag),
                |count| match form {
                    Form::Replace => Problem::too_many_to_carry(count, limits.tags_per_user),
                    _ => Problem::too_many(count, limits.tags_per_user_and_request),
                },
                |tag| json::item(&mut draft.json, tag.as_str()),
            );
        }
        let too_many = Problem::too_many(count, limits.users_per_request);
        check.list(Place::Users, count, too_many);
        check.finish()?;
        Ok(draft.finish(rules))
    }

    pub(super) fn accounts<A: Text<'a>>(
        rules: &Rules,
        form: Form,
        given: impl IntoIterator<Item = A>,
    ) -> Result<Body<'a>, Invalid> {
        let mut check = Check::new(rules);
        let given = given.into_iter();
        let mut draft = Draft::new(form, given.size_hint().0);
        let mut count = 0;
        for (index, account) in given.enumerate() {
            count += 1;
            if let Some(account) = check.next_account(account, index, Place::Account(index)) {
                draft.account(account);
            }
        }
        let too_many = Problem::too_many(count, rules.limits.users_per_request);
        check.list(Place::Accounts, count, too_many);
        check.finish()?;
        Ok(draft.finish(rules))
    }

    /// A body of users who were checked by these rules one by one.
    pub(crate) fn from_checked<Tags: Iterator<Item = &'a str>>(
        rules: &Rules,
        form: Form,
        checked: impl Iterator<Item = (&'a str, Tags)>,
    ) -> Body<'a> {
        let mut draft = Draft::new(form, checked.size_hint().0);
        for (account, tags) in checked {
            draft.account(Account(account));
            tags.for_each(|tag| json::item(&mut draft.json, tag));
        }
        draft.finish(rules)
    }

    /// Rules that are stricter somewhere need the tags, which are read back from the JSON. That takes time, and is rare:
    /// programs make requests by the rules of the client that sends them.
    pub(super) fn check(&self, rules: &Rules) -> Result<(), Invalid> {
        if rules.are_no_stricter_than(&self.rules) {
            return Ok(());
        }
        let accounts = self.accounts.iter().map(Account::as_str);
        if !self.form.has_tags() {
            return Body::accounts(rules, self.form, accounts).map(|_| ());
        }
        let written: Value = serde_json::from_slice(&self.json).unwrap_or_default();
        let tags = |user: usize| {
            let tags = written["UserTags"][user]["Tags"].as_array();
            tags.into_iter().flatten().filter_map(Value::as_str)
        };
        let users = accounts.enumerate();
        let users = users.map(|(user, account)| (account, tags(user)));
        Body::users(rules, self.form, users).map(|_| ())
    }
}

/// A body as far as it is written.
struct Draft<'a> {
    form: Form,
    /// How many accounts the caller expects to give.
    expected: usize,
    accounts: Vec<Account<'a>>,
    /// Without what ends its lists.
    json: Vec<u8>,
}

/// Accounts that memory is reserved for before they are given: what the caller says of their number is only believed so far.
const EXPECTED: usize = 128;
/// And so many bytes of JSON: a full request with tags of 50 bytes each.
const EXPECTED_BYTES: usize = 64 * 1024;
/// What each user may be longer than the first, such as `user100` after `user1`.
const SPARE_BYTES: usize = 4;
/// What the first user is written into, which few outgrow.
const FIRST_USER: usize = 512;

impl<'a> Draft<'a> {
    fn new(form: Form, expected: usize) -> Draft<'a> {
        let expected = expected.min(EXPECTED);
        let mut json = Vec::with_capacity(FIRST_USER);
        json.extend_from_slice(form.start());
        Draft {
            form,
            expected,
            accounts: Vec::with_capacity(expected),
            json,
        }
    }

    /// Writes an account. The tags that follow are its own.
    fn account(&mut self, account: Account<'a>) {
        let has_tags = self.form.has_tags();
        if has_tags && !self.accounts.is_empty() {
            self.end_list();
            self.json.extend_from_slice(b"},");
        }
        if self.accounts.len() == 1 {
            self.reserve_rest();
        }
        if has_tags {
            self.json.extend_from_slice(br#"{"To_Account":"#);
        }
        json::item(&mut self.json, account.0);
        if has_tags {
            self.json.extend_from_slice(br#""Tags":["#);
        }
        self.accounts.push(account);
    }

    /// Reserves what all others need if they are about as long as the first, which is written. So they cost one allocation
    /// more than the first.
    fn reserve_rest(&mut self) {
        let first = self.json.len() - self.form.start().len();
        let others = (first + SPARE_BYTES) * self.expected.saturating_sub(1);
        let end = r#"],"Replace":1}"#.len();
        self.json.reserve_exact(others.min(EXPECTED_BYTES) + end);
    }

    /// Ends the list of which an item was written last.
    fn end_list(&mut self) {
        self.json.pop(); // the comma
        self.json.push(b']');
    }

    fn finish(mut self, rules: &Rules) -> Body<'a> {
        if self.form.has_tags() {
            self.end_list();
            self.json.push(b'}');
            self.json.push(b',');
        }
        self.end_list();
        if self.form == Form::Replace {
            self.json.extend_from_slice(br#","Replace":1"#);
        }
        self.json.push(b'}');
        Body {
            rules: *rules,
            form: self.form,
            accounts: self.accounts,
            json: self.json,
        }
    }
}
