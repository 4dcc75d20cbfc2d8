//! A call that says how it came to the service, for `imtag doctor`: the same call, over the same kind of connection.

use std::time::Duration;

use imtag_core::{Identifier, Request};

use crate::call::{Call, CallOptions};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{Error, UserSigSource};
use crate::http::{Step, StepWatcher};
use crate::outcome::Outcome;

/// What a call did on its way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// Its steps. If it failed before it had an answer, the last of them is where.
    pub steps: Vec<Step>,
    /// The `Date` of the answer, the server's clock, since the Unix epoch.
    pub date: Option<Duration>,
    /// What the call says.
    pub result: Result<Outcome, Error>,
}

impl Client {
    /// The account that calls.
    #[doc(hidden)] // for the command line
    pub fn identifier(&self) -> &Identifier {
        &self.shared.settings.identifier
    }

    /// Whether its secret key has 64 hexadecimal characters; `None` if a UserSig was given or is supplied.
    #[doc(hidden)] // for the command line
    pub fn key_has_usual_form(&self) -> Option<bool> {
        match self.shared.settings.credentials.source() {
            UserSigSource::Key { usual } => Some(usual),
            UserSigSource::Ready | UserSigSource::Callback => None,
        }
    }

    /// Where it calls while its endpoint cannot be reached.
    #[doc(hidden)] // for the command line
    pub fn spare_endpoint(&self) -> Option<&Endpoint> {
        let hosts = &self.shared.settings.hosts;
        hosts.get(1).map(|host| &host.endpoint)
    }

    /// Makes a call over a new connection, once whatever it says, and notes each step; `watcher` is told as it begins.
    #[doc(hidden)] // for the command line
    pub fn probe(
        &self,
        request: &dyn Request,
        options: &CallOptions,
        watcher: StepWatcher,
    ) -> Probe {
        let (settings, state) = self.shared.parts();
        let mut call = Call::new(settings, state, request, options, false).traced(watcher);
        let result = call.run();
        let trace = call.trace.take();
        let date = trace.as_ref().and_then(|trace| trace.date);
        Probe {
            steps: trace.map(|trace| trace.steps).unwrap_or_default(),
            date,
            result,
        }
    }
}
