//! The faults to come, and which of them a request takes.
//!
//! ```text
//! request ──▶ the queue of its path, of its route, of its operation: the oldest fault of the first that has one
//!                │ none
//!                └──▶ the standing faults, in the order in which they were added: the first that hits
//! ```
//!
//! A queued fault is for one request; a standing one stays until it is removed. A standing fault draws one random
//! number for each request that it is for, even if another fault was taken. So the requests that it would hit depend on
//! the seed and its number alone.

use std::collections::{HashMap, VecDeque};

use crate::fault::Fault;
use crate::rng::uniform;
use crate::target::Target;

/// A fault that hits requests with a probability. It is for all requests on the routes, unless [`on`] or [`account`]
/// say otherwise.
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

    /// Only requests that name this account, alone or among others.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> ProbabilisticFault {
        self.account = Some(account.into());
        self
    }

    fn is_for(&self, targets: &[Target], names: impl Fn(&str) -> bool) -> bool {
        let on_target = match &self.target {
            Some(target) => targets.contains(target),
            None => targets.iter().any(|it| matches!(it, Target::Route(_))),
        };
        on_target && self.account.as_deref().is_none_or(names)
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

/// The faults that are queued, and those that stand.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    queues: HashMap<Target, VecDeque<Fault>>,
    standing: Vec<StandingFault>,
    last_number: u64,
}

impl FaultQueue {
    /// Puts faults at the end of the queue of a target.
    pub(crate) fn push(&mut self, target: Target, faults: impl IntoIterator<Item = Fault>) {
        self.queues.entry(target).or_default().extend(faults);
    }

    /// How many queued faults wait for a request.
    pub(crate) fn waiting(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// Adds a standing fault behind the others, and returns its number.
    pub(crate) fn add_standing(&mut self, fault: ProbabilisticFault) -> u64 {
        self.last_number += 1;
        self.standing.push(StandingFault {
            number: self.last_number,
            fault,
            considered: 0,
            met: 0,
        });
        self.last_number
    }

    /// The standing faults, in the order in which they were added.
    pub(crate) fn standing(&self) -> &[StandingFault] {
        &self.standing
    }

    /// Removes a standing fault; false if none has this number.
    pub(crate) fn remove_standing(&mut self, number: u64) -> bool {
        let before = self.standing.len();
        self.standing.retain(|fault| fault.number != number);
        self.standing.len() < before
    }

    /// Removes all faults. Numbers go on, so that a number never means another fault.
    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.standing.clear();
    }

    /// The fault that a request takes: `targets` are its path, route and operation, and `names` is true of accounts that
    /// it names.
    pub(crate) fn take(
        &mut self,
        seed: u64,
        targets: &[Target],
        names: impl Fn(&str) -> bool,
    ) -> Option<Fault> {
        let mut queues = targets.iter();
        let mut taken = queues.find_map(|target| self.queues.get_mut(target)?.pop_front());
        for standing in &mut self.standing {
            if !standing.fault.is_for(targets, &names) {
                continue;
            }
            let drawn = uniform(seed, standing.number, standing.considered);
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

    use imtag_wire::Route;

    use super::*;

    const ADD: (Operation, Generation) = (Operation::Add, Generation::AllMemberPush);
    const TIMPUSH_ADD: (Operation, Generation) = (Operation::Add, Generation::Timpush);
    const GET: (Operation, Generation) = (Operation::Get, Generation::AllMemberPush);

    fn code(code: i32, probability: f64) -> ProbabilisticFault {
        ProbabilisticFault::new(Fault::code(code), probability).unwrap()
    }

    fn faults<const N: usize>(standing: [ProbabilisticFault; N]) -> FaultQueue {
        let mut faults = FaultQueue::default();
        for it in standing {
            faults.add_standing(it);
        }
        faults
    }

    fn take_named(
        faults: &mut FaultQueue,
        route: (Operation, Generation),
        account: &str,
    ) -> Option<Fault> {
        let route = Route::from(route);
        let targets = Target::for_request(route.path(), Some(route));
        faults.take(7, &targets, |asked| asked == account)
    }

    fn take(faults: &mut FaultQueue, route: (Operation, Generation)) -> Option<Fault> {
        take_named(faults, route, "")
    }

    #[test]
    fn faults_come_in_order_from_the_queue_of_the_path_then_the_route_then_the_operation() {
        let mut faults = FaultQueue::default();
        faults.push(Operation::Add.into(), [1, 2].map(Fault::code));
        faults.push(ADD.into(), [3, 4].map(Fault::code));
        let path = Route::from(TIMPUSH_ADD).path();
        faults.push(Target::path(path), [Fault::code(5)]);
        assert_eq!(faults.waiting(), 5);
        for (route, expected) in [
            (ADD, Some(3)),
            (TIMPUSH_ADD, Some(5)),
            (TIMPUSH_ADD, Some(1)),
            (ADD, Some(4)),
            (ADD, Some(2)),
            (ADD, None),
            (GET, None),
        ] {
            assert_eq!(take(&mut faults, route), expected.map(Fault::code));
        }
    }

    #[test]
    fn a_probability_of_0_never_hits_and_one_of_1_always() {
        let mut faults = faults([code(1, 0.0), code(2, 1.0), code(3, 1.0)]);
        for _ in 0..10_000 {
            assert_eq!(take(&mut faults, ADD), Some(Fault::code(2)));
        }
        let counts = faults.standing().iter().map(|it| (it.considered, it.met));
        let expected = [(10_000, 0), (10_000, 10_000), (10_000, 0)];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(ProbabilisticFault::new(Fault::garbage(), wrong).is_err());
        }
    }

    #[test]
    fn a_queued_fault_comes_first_and_moves_no_draw() {
        let (mut plain, mut queued) = (faults([code(1, 0.5)]), faults([code(1, 0.5)]));
        let expected: Vec<_> = (0..100).map(|_| take(&mut plain, ADD)).collect();
        queued.push(ADD.into(), [Fault::garbage()]);
        assert_eq!(take(&mut queued, ADD), Some(Fault::garbage()));
        let rest: Vec<_> = (1..100).map(|_| take(&mut queued, ADD)).collect();
        assert_eq!(rest, expected[1..]);
    }

    #[test]
    fn what_one_hits_does_not_depend_on_those_before_it() {
        let hits = |first: f64| -> Vec<bool> {
            let mut faults = faults([code(1, first), code(2, 0.3)]);
            let second = Some(Fault::code(2));
            (0..1000)
                .map(|_| take(&mut faults, ADD) == second)
                .collect()
        };
        let (alone, beside) = (hits(0.0), hits(0.5));
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
    fn it_is_for_its_target_and_for_requests_that_name_its_account() {
        let mut of_add = faults([code(1, 1.0).on(Operation::Add)]);
        assert_eq!(take(&mut of_add, GET), None);
        assert_eq!(take(&mut of_add, ADD), Some(Fault::code(1)));
        let mut of_alice = faults([code(1, 1.0).on(ADD).account("alice")]);
        assert_eq!(take_named(&mut of_alice, ADD, "bob"), None);
        assert_eq!(take_named(&mut of_alice, GET, "alice"), None);
        assert!(take_named(&mut of_alice, ADD, "alice").is_some());
        assert_eq!(of_alice.standing()[0].considered, 1);

        // One for all routes is for no other path.
        let path = "/v4/openim/sendmsg";
        let mut of_path = faults([code(1, 1.0), code(2, 1.0).on(Target::path(path))]);
        let mut take_at = |path| of_path.take(7, &Target::for_request(path, None), |_| false);
        assert_eq!(take_at(path), Some(Fault::code(2)));
        assert_eq!(take_at("/v4/openim/sendmsg/"), None);
        assert_eq!(take(&mut of_path, ADD), Some(Fault::code(1)));
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut faults = faults([code(1, 1.0), code(2, 1.0)]);
        assert!(faults.remove_standing(1));
        assert!(!faults.remove_standing(1));
        assert_eq!(take(&mut faults, ADD), Some(Fault::code(2)));
        faults.clear();
        assert_eq!(faults.add_standing(code(3, 1.0)), 3);
    }
}
