//! A call that says how it came to the service, for `imtag doctor`: the same call, over the same kind of connection.

use std::time::Duration;

use imtag_core::{Identifier, Request};

use crate::call::{Call, CallOptions};
use crate::client::Client;
use crate::error::{Error, UserSigSource};
use crate::http::Step;
use crate::outcome::Outcome;

/// What a call did on its way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// Its steps. If it failed before it had an answer, the last of them is where.
    pub steps: Vec<Step>,
    /// The `Date` of the answer, the server's clock, since the Unix epoch.
    pub date: Option<Duration>,
    /// The proxy that it went through, without user and password.
    pub proxy: Option<String>,
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

    /// Makes a call over a new connection, once whatever it says, and notes each step.
    #[doc(hidden)] // for the command line
    pub fn probe(&self, request: &dyn Request, options: &CallOptions) -> Probe {
        let (settings, state) = self.shared.parts();
        let mut call = Call::new(settings, state, request, options, false).traced();
        let result = call.run();
        let trace = call.trace.take().unwrap_or_default();
        Probe {
            steps: trace.steps,
            date: trace.date,
            proxy: settings.proxy().map(|proxy| proxy.to_string()),
            result,
        }
    }
}
