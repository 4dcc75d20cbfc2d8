//! Standing faults: they stay until they are removed, and each hits a request with a probability.
//!
//! A fault that waits in a queue comes first. Then the standing faults are tried in the order in which they were added,
//! and the first that hits is taken. For every request that a fault is for, it draws one random number, even if another
//! fault was taken. So the requests that it would hit depend on the seed and its number alone.

use crate::fault::Fault;
use crate::rng::{Stream, uniform};
use crate::route::{Place, Target};

/// A fault that hits requests with a probability. It is for all requests on the routes, unless [`on`] or [`account`] say
/// otherwise.
///
/// [`on`]: ProbabilisticFault::on
/// [`account`]: ProbabilisticFault::account
#[derive(Debug, Clone, PartialEq)]
pub struct ProbabilisticFault {
    pub(crate) fault: Fault,
    pub(crate) probability: f64,
    pub(crate) target: Option<Target>,
    pub(crate) account: Option<String>,
}

/// A number that is no probability.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the probability {0} is not from 0 to 1")]
pub struct BadProbability(f64);

impl ProbabilisticFault {
    /// A fault that hits each request with this probability, from 0 (never) to 1 (always).
    ///
    /// # Errors
    /// For a number that is not from 0 to 1.
    pub fn new(fault: Fault, probability: f64) -> Result<ProbabilisticFault, BadProbability> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(BadProbability(probability));
        }
        Ok(ProbabilisticFault {
            fault,
            probability,
            target: None,
            account: None,
        })
    }

    /// Only requests on this route, of this operation, or for this path.
    #[must_use]
    pub fn on(mut self, target: impl Into<Target>) -> ProbabilisticFault {
        self.target = Some(target.into());
        self
    }

    /// Only requests that name this account, whatever else they name.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> ProbabilisticFault {
        self.account = Some(account.into());
        self
    }

    fn is_for(&self, place: Place<'_>, names: impl Fn(&str) -> bool) -> bool {
        let target = self.target.as_ref();
        target.map_or(place.route.is_some(), |target| target.covers(place))
            && self.account.as_deref().is_none_or(names)
    }
}

/// A standing fault, and its counts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StandingFault {
    /// Its number: 1 for the first since the start, or since the last reset.
    pub number: u64,
    /// The fault and its probability.
    pub fault: ProbabilisticFault,
    /// How many requests it was for.
    pub considered: u64,
    /// How many of them it hit.
    pub met: u64,
}

/// The standing faults, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct StandingFaults {
    list: Vec<StandingFault>,
    last_number: u64,
}

impl StandingFaults {
    /// Adds one behind the others, and returns its number.
    pub(crate) fn put(&mut self, fault: ProbabilisticFault) -> u64 {
        self.last_number += 1;
        self.list.push(StandingFault {
            number: self.last_number,
            fault,
            considered: 0,
            met: 0,
        });
        self.last_number
    }

    /// Removes one; false if none has this number.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|fault| fault.number != number);
        self.list.len() < before
    }

    /// Removes all. Numbers go on, so that a number never means another fault.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn list(&self) -> &[StandingFault] {
        &self.list
    }

    /// The fault that a request takes: the `queued` one, or else the first standing one that hits.
    pub(crate) fn take(
        &mut self,
        seed: u64,
        place: Place<'_>,
        names: impl Fn(&str) -> bool,
        queued: Option<Fault>,
    ) -> Option<Fault> {
        let mut taken = queued;
        for standing in &mut self.list {
            if !standing.fault.is_for(place, &names) {
                continue;
            }
            let drawn = uniform(seed, Stream::Fault(standing.number), standing.considered);
            standing.considered += 1;
            if taken.is_none() && drawn < standing.fault.probability {
                standing.met += 1;
                taken = Some(standing.fault.fault.clone());
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use imtag_core::{Generation, Operation};

    use crate::route::Route;

    use super::*;

    const SEED: u64 = 7;
    const ADD: (Operation, Generation) = (Operation::Add, Generation::AllMemberPush);
    const GET: (Operation, Generation) = (Operation::Get, Generation::AllMemberPush);

    fn code(code: i32, probability: f64) -> ProbabilisticFault {
        ProbabilisticFault::new(Fault::code(code), probability).unwrap()
    }

    fn faults<const N: usize>(standing: [ProbabilisticFault; N]) -> StandingFaults {
        let mut faults = StandingFaults::default();
        for it in standing {
            faults.put(it);
        }
        faults
    }

    fn place(route: (Operation, Generation)) -> Place<'static> {
        let route = Route::from(route);
        Place {
            route: Some(route),
            path: route.path(),
        }
    }

    fn take(faults: &mut StandingFaults, route: (Operation, Generation)) -> Option<Fault> {
        faults.take(SEED, place(route), |_| false, None)
    }

    #[test]
    fn a_probability_of_0_never_hits_and_one_of_1_always() {
        let mut faults = faults([code(1, 0.0), code(2, 1.0), code(3, 1.0)]);
        for _ in 0..10_000 {
            assert_eq!(take(&mut faults, ADD), Some(Fault::code(2)));
        }
        let did: Vec<_> = faults
            .list()
            .iter()
            .map(|it| (it.considered, it.met))
            .collect();
        assert_eq!(did, [(10_000, 0), (10_000, 10_000), (10_000, 0)]);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(
                ProbabilisticFault::new(Fault::garbage(), wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_queued_fault_comes_first_and_moves_no_draw() {
        let half = || faults([code(1, 0.5)]);
        let (mut plain, mut queued) = (half(), half());
        let expected: Vec<_> = (0..100).map(|_| take(&mut plain, ADD)).collect();
        let first = queued.take(SEED, place(ADD), |_| false, Some(Fault::garbage()));
        assert_eq!(first, Some(Fault::garbage()));
        let rest: Vec<_> = (1..100).map(|_| take(&mut queued, ADD)).collect();
        assert_eq!(rest, expected[1..]);
    }

    #[test]
    fn what_one_hits_does_not_depend_on_those_before_it() {
        let hits = |faults: &mut StandingFaults| -> Vec<bool> {
            let second = Some(Fault::code(2));
            (0..1000).map(|_| take(faults, ADD) == second).collect()
        };
        let alone = hits(&mut faults([code(1, 0.0), code(2, 0.3)]));
        let beside = hits(&mut faults([code(1, 0.5), code(2, 0.3)]));
        // Those that the first one left to it.
        assert!(
            beside
                .iter()
                .zip(&alone)
                .all(|(beside, alone)| alone >= beside)
        );
        assert!(beside.contains(&true) && beside != alone);
    }

    #[test]
    fn it_is_for_its_route_or_operation_and_for_requests_that_name_its_account() {
        let mut of_add = faults([code(1, 1.0).on(Operation::Add)]);
        assert_eq!(take(&mut of_add, GET), None);
        assert_eq!(take(&mut of_add, ADD), Some(Fault::code(1)));
        let mut of_alice = faults([code(1, 1.0).on(ADD).account("alice")]);
        let named = |account: &'static str| move |asked: &str| asked == account;
        let mut took = |route: (Operation, Generation), account| {
            let taken = of_alice.take(SEED, place(route), named(account), None);
            taken.is_some()
        };
        assert!(!took(ADD, "bob"));
        assert!(!took(GET, "alice"));
        assert!(took(ADD, "alice"));
        assert_eq!(of_alice.list()[0].considered, 1);
    }

    #[test]
    fn one_for_a_path_is_for_that_alone_and_one_for_all_routes_for_no_other_path() {
        let path = "/v4/openim/sendmsg";
        let elsewhere = Place { route: None, path };
        let mut faults = faults([code(1, 1.0), code(2, 1.0).on(Target::path(path))]);
        let taken = faults.take(SEED, elsewhere, |_| false, None);
        assert_eq!(taken, Some(Fault::code(2)));
        let slash = "/v4/openim/sendmsg/";
        let other = Place {
            route: None,
            path: slash,
        };
        assert_eq!(faults.take(SEED, other, |_| false, None), None);
        assert_eq!(take(&mut faults, ADD), Some(Fault::code(1)));
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut faults = faults([code(1, 1.0), code(2, 1.0)]);
        assert!(faults.remove(1));
        assert!(!faults.remove(1));
        assert_eq!(take(&mut faults, ADD), Some(Fault::code(2)));
        faults.clear();
        assert_eq!(faults.put(code(3, 1.0)), 3);
    }
}
