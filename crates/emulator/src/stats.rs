//! What the emulator counts, for tests and people to read.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::route::Route;
use crate::traffic::RouteStats;

/// Counts since the start, or since the last reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// What arrived on each of the eight routes.
    #[serde(serialize_with = "by_name")]
    pub routes: Vec<(Route, RouteStats)>,
    /// Requests for a path that is no route's, or not by POST.
    pub elsewhere: u64,
    /// How often each `ErrorCode` was answered, 0 included.
    pub codes: BTreeMap<i32, u64>,
    /// How many faults of each kind were met, queued or standing.
    pub faults: BTreeMap<&'static str, u64>,
    /// Faults that wait for a request.
    pub faults_waiting: usize,
    /// Faults that stand, each for its requests, until they are removed.
    pub faults_standing: usize,
    /// Users with an add, remove or clear that was carried out: each once a request, also where that left its tags as
    /// they were.
    pub users_changed: u64,
    /// Users that have tags now.
    pub users_with_tags: usize,
    /// Connections that were accepted, those of the admin API included.
    pub connections: u64,
    /// Requests that are being handled, on their way, or held in a delay.
    pub in_flight: usize,
}

impl Stats {
    /// What arrived on one route.
    #[must_use]
    pub fn route(&self, route: impl Into<Route>) -> RouteStats {
        self.routes[route.into().index()].1
    }

    /// What arrived on all routes together.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.routes.iter().map(|(_, stats)| stats.arrivals).sum()
    }

    /// How often this `ErrorCode` was answered.
    #[must_use]
    pub fn code(&self, code: i32) -> u64 {
        self.codes.get(&code).copied().unwrap_or(0)
    }
}

fn by_name<S: Serializer>(
    routes: &[(Route, RouteStats)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(routes.len()))?;
    for (route, stats) in routes {
        map.serialize_entry(route.name(), stats)?;
    }
    map.end()
}
