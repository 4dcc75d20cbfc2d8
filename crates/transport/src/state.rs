//! What a client has in each process: connections, UserSig, retry budget, its calls in an outage, and a quota for each operation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use imtag_core::Operation;
use imtag_core::retry::RetryBudget;

use crate::credentials::UserSigs;
use crate::dispatch::Dispatch;
use crate::gate::Gate;
use crate::http::Http;
use crate::known_since::{Registered, register};
use crate::outage::Outage;
use crate::settings::Settings;

/// What a process has of its own.
pub(crate) struct State {
    pub(crate) http: Http,
    pub(crate) usersigs: UserSigs,
    budget: Mutex<RetryBudget>,
    pub(crate) outage: Outage,
    /// The changes of bulk runs and batchers.
    pub(crate) dispatch: Dispatch,
    gates: [Gate; Operation::ALL.len()],
    /// A later client of the app counts from its end.
    _registered: Registered,
}

impl State {
    pub(crate) fn new(settings: &Settings) -> State {
        let (since, registered) = register(settings.sdkappid, settings.fresh_start);
        State {
            http: Http::new(&settings.endpoint, settings.roots.as_ref()),
            usersigs: UserSigs::new(),
            budget: Mutex::new(RetryBudget::full()),
            outage: Outage::new(settings.retry),
            dispatch: Dispatch::new(settings.rules),
            gates: Operation::ALL.map(|_| Gate::new(settings.calls_per_second, since)),
            _registered: registered,
        }
    }

    pub(crate) fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gate(&self, operation: Operation) -> &Gate {
        &self.gates[operation as usize]
    }
}
