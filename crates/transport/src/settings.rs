//! The checked settings of a client.

use std::time::Duration;

use imtag_core::retry::RetryPolicy;
use imtag_core::{CallRate, Identifier, Rules, SdkAppId};

use crate::http::Roots;
use crate::{Credentials, Endpoint};

/// Made by the builder only.
pub(crate) struct Settings {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
    pub(crate) credentials: Credentials,
    pub(crate) endpoint: Endpoint,
    pub(crate) roots: Option<Roots>,
    pub(crate) rules: Rules,
    pub(crate) calls_per_second: CallRate,
    pub(crate) fresh_start: Option<bool>,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
}
