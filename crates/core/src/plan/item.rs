//! What the plan takes: a change of one user's tags, or a get of them.

use std::sync::Arc;

use crate::change::{Change, Tags};
use crate::limits::Rules;
use crate::operation::Operation;
use crate::text::Account;
use crate::violation::Invalid;

/// A change of one user's tags, or a get of them. A clone shares the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// To add, remove or clear.
    Change(Change),
    /// To read.
    Get(Query),
}

/// To read the tags of one user, whose account keeps to the rules.
///
/// ```
/// use imtag_core::{Rules, plan::Query};
///
/// assert_eq!(Query::new("xiaojun012", &Rules::default())?.account(), "xiaojun012");
///
/// let invalid = Query::new("", &Rules::default()).unwrap_err();
/// assert_eq!(invalid.violations()[0].to_string(), "account: empty, at least 1 byte");
/// # Ok::<(), imtag_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Arc<str>);

impl Query {
    /// Makes a query of an account that keeps to `rules`.
    ///
    /// # Errors
    /// With what is wrong with the account.
    pub fn new(account: &str, rules: &Rules) -> Result<Query, Invalid> {
        Account::new(account, rules).map(|account| Query(account.as_str().into()))
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0
    }

    /// The user's text, which is shared.
    #[must_use]
    pub fn into_account(self) -> Arc<str> {
        self.0
    }
}

impl Item {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Item::Change(change) => change.operation().into(),
            Item::Get(_) => Operation::Get,
        }
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Item::Change(change) => change.account(),
            Item::Get(query) => query.account(),
        }
    }

    /// The tags of a change, each once; none of a clear and of a get.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        match self {
            Item::Change(change) => change.tags(),
            Item::Get(_) => Tags::default(),
        }
    }
}

impl From<Change> for Item {
    fn from(change: Change) -> Item {
        Item::Change(change)
    }
}

impl From<Query> for Item {
    fn from(query: Query) -> Item {
        Item::Get(query)
    }
}
