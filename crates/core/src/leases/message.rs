//! What a process and the store say to each other, as plain values. Times are spans in milliseconds, rounded up: no two
//! machines share a clock, and a span that gets longer on its way only delays a call.

use std::time::Duration;

use crate::limits::CallRate;
use crate::operation::Operation;

/// A store that all processes of an app reach, such as Redis. What it is to do with a message is
/// [`Store::call`](super::store::Store::call).
pub trait Shares: Send {
    /// Says what this process wants and gives back, and hears what it is granted.
    ///
    /// One try: when it fails, or takes longer than `within`, the message may have reached the store all the same. The next
    /// message goes over a new connection, so that no late answer is taken for its own.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], for people to read.
    fn exchange(&mut self, message: &Message, within: Duration) -> Result<Answer, Unavailable>;
}

/// Why the store did not answer: one sentence, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// What all processes of an app must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How many calls of an operation may arrive in any window.
    pub slots: u32,
    /// The window: a second, or more if there is less than one call in it.
    pub window: u64,
}

impl Terms {
    /// The terms of so many calls a second, which all processes have together.
    #[must_use]
    pub fn new(calls_per_second: CallRate) -> Terms {
        Terms {
            slots: calls_per_second.calls().get(),
            window: millis(calls_per_second.window()),
        }
    }

    /// How long a slot rests after an answer: the window, and 2 ms of each second for clocks that are off.
    #[must_use]
    pub fn cooling(self) -> u64 {
        self.window + self.window.div_ceil(500)
    }

    /// How long a slot rests whose last holder is not heard of: its last call may arrive two seconds after it was sent.
    #[must_use]
    pub fn hold(self) -> u64 {
        2_000 + self.cooling()
    }
}

/// What a process says, about all operations at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The process. A child of fork is another one.
    pub holder: String,
    /// What it takes the app's quota to be.
    pub terms: Terms,
    /// From 1, one more each time.
    pub seq: u64,
    /// The last message whose answer came; 0 if none did.
    pub acknowledged: u64,
    /// True while its lease lasts.
    pub holds_lease: bool,
    /// What that answer said of time.
    pub elapsed: Option<Elapsed>,
    /// By operation, as in [`Operation::ALL`].
    pub operations: [Request; Operation::ALL.len()],
}

/// How much time has passed since the store said what time it is. So a clock of the store's that was set shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    /// The store's clock in its last answer.
    pub clock: u64,
    /// Since that answer came.
    pub at_least: u64,
    /// Since the message before it was sent.
    pub at_most: u64,
}

/// What a process says about one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// How many slots it goes on with.
    pub keep: u32,
    /// Slots given back and not yet acknowledged: in how long each of them is free.
    pub given_back: Vec<u64>,
    /// How many slots it has use for.
    pub want: u32,
    /// How long ago the last call was sent that was rejected for its frequency; none since the last answer that came.
    pub rejected: Option<u64>,
    /// How long a call takes: a slot changes hands less often where that is long.
    pub round_trip: u64,
}

/// What the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The store's clock.
    pub clock: u64,
    /// False if the store knows of no slot that the process says it has: all of them are void.
    pub known: bool,
    /// What the living processes take the app's quota to be. One that takes it for something else gets nothing.
    pub terms: Terms,
    /// By operation, as in [`Operation::ALL`].
    pub operations: [Grant; Operation::ALL.len()],
}

/// What the store says about one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// New slots: in how long each of them may be used.
    pub granted: Vec<u64>,
    /// How many of those that it keeps it is to give back, as others have none.
    pub give_back: u32,
}

/// Rounded up.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Rounded down.
pub(super) fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
