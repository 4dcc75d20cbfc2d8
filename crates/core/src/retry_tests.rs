//! Scenarios as tables: what the attempts of a call get → the exact waits, and what is left of the budget.

use super::*;
use crate::Code;

const HALF: u64 = 1 << 63;
/// A wait for the service, in place of a time.
const SERVICE: u128 = u128::MAX;
const LONG: Duration = Duration::from_secs(3600);

/// What one attempt gets.
#[derive(Clone, Copy)]
enum Gets {
    Success,
    Code(i32),
    Nothing,
    StaleConnection,
}
use Gets::{Nothing, StaleConnection, Success};

/// Plays a call at virtual time 0, `random` at each draw, and returns its waits in milliseconds and its end.
fn play(
    attempts: &[Gets],
    budget: &mut RetryBudget,
    deadline: Duration,
    random: u64,
) -> (Vec<u128>, Option<Stopped>) {
    let retry = Retry::new(RetryPolicy::default());
    play_by(retry, attempts, budget, deadline, random)
}

fn play_by(
    mut retry: Retry,
    attempts: &[Gets],
    budget: &mut RetryBudget,
    deadline: Duration,
    random: u64,
) -> (Vec<u128>, Option<Stopped>) {
    let mut now = Duration::ZERO;
    let mut waits = Vec::new();
    for attempt in attempts {
        let failed = match *attempt {
            Success => {
                retry.succeeded(budget);
                return (waits, None);
            }
            Gets::Code(code) => FailedAttempt::Class(Code(code).retry()),
            Nothing => FailedAttempt::Unanswered,
            StaleConnection => FailedAttempt::StaleConnection,
        };
        match retry.failed(failed, budget, now, deadline, random) {
            Decision::RetryAt(at) => {
                waits.push((at - now).as_millis());
                now = at;
            }
            Decision::AwaitService => waits.push(SERVICE),
            Decision::Stop(stopped) => return (waits, Some(stopped)),
        }
    }
    panic!("the scenario ends before the call does");
}

#[test]
fn each_failure_waits_and_pays_as_its_kind_says() {
    use Gets::Code;
    use Stopped::*;
    type Row<'a> = (&'a str, &'a [Gets], &'a [u128], Option<Stopped>, u32);
    #[rustfmt::skip]
    let table: &[Row] = &[
        // what happens                      attempts                                       waits (ms)         end   budget
        ("success pays in, to the brim",     &[Success],                                    &[],               None, 500),
        ("a success refunds the retry",      &[Code(91000), Success],                       &[50],             None, 500),
        ("only the last retry is refunded",  &[Code(91000), Code(70500), Success],          &[50, 100],        None, 495),
        ("waits double, four attempts",      &[Code(91000); 4],                             &[50, 100, 200],   Some(AttemptsSpent), 485),
        ("an outage costs time alone",       &[Nothing, Nothing, Nothing, Nothing, Nothing, Success],
                                                                     &[SERVICE; 5],                            None, 500),
        ("and leaves all attempts",          &[Nothing, Code(91000), Nothing, Code(91000), Code(91000), Nothing, Code(91000)],
                                                                     &[SERVICE, 50, SERVICE, 100, 200, SERVICE], Some(AttemptsSpent), 485),
        ("a permanent code stops",           &[Code(90001)],                                &[],               Some(Permanent), 500),
        ("an unknown code stops",            &[Code(12345)],                                &[],               Some(Permanent), 500),
        ("too fast waits for the window",    &[Code(60007), Success],                       &[1050],           None, 500),
        ("too fast costs no attempt",        &[Code(60007), Code(60011), Code(60018), Code(60019), Code(60007), Code(91000), Success],
                                                                     &[1050, 1100, 1200, 1400, 1800, 50],      None, 500),
        ("expired: a new UserSig, once",     &[Code(70001), Success],                       &[0],              None, 500),
        ("expired again stops",              &[Code(70001), Code(70001)],                   &[0],              Some(Permanent), 500),
        ("check failed: once, later",        &[Code(60004), Success],                       &[50],             None, 500),
        ("check failed again stops",         &[Code(60005), Code(60004)],                   &[50],             Some(Permanent), 495),
        ("a dead connection: at once",       &[StaleConnection, Success],                        &[0],              None, 500),
        ("dead connections cost no attempt", &[StaleConnection, Code(91000), StaleConnection, Code(91000), StaleConnection, Code(91000), StaleConnection, Success],
                                                                     &[0, 50, 0, 100, 0, 200, 0],              None, 490),
        ("nor do they add one",              &[StaleConnection, Code(91000), Code(91000), Code(91000), Code(91000)],
                                                                     &[0, 50, 100, 200],                       Some(AttemptsSpent), 485),
    ];
    for (what, attempts, waits, end, left) in table {
        let mut budget = RetryBudget::full();
        let played = play(attempts, &mut budget, LONG, HALF);
        assert_eq!(played, (waits.to_vec(), *end), "{what}");
        assert_eq!(budget.left(), *left, "{what}");
    }
}

#[test]
fn the_jitter_is_full_from_nothing_to_the_whole_backoff() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.backoff(1, 0), Duration::ZERO);
    assert_eq!(policy.backoff(1, HALF), Duration::from_millis(50));
    assert_eq!(policy.backoff(1, u64::MAX).as_micros(), 99_999);
    assert_eq!(policy.backoff(6, HALF), Duration::from_millis(1600));
    assert_eq!(policy.backoff(7, HALF), Duration::from_millis(2500));
    assert_eq!(policy.backoff(u32::MAX, HALF), Duration::from_millis(2500));
}

#[test]
fn a_policy_of_any_numbers_is_taken() {
    let policy = RetryPolicy {
        max_attempts: u32::MAX,
        first_backoff: Duration::MAX,
        longest_backoff: Duration::MAX,
    };
    assert_eq!(policy.backoff(u32::MAX, HALF).as_secs(), 9_223_372_036);
    assert!(policy.backoff(1, u64::MAX) > Duration::from_secs(18_446_744_072));
}

#[test]
fn a_retry_that_cannot_start_before_the_deadline_is_not_waited_for_nor_paid() {
    let mut budget = RetryBudget::full();
    let deadline = Duration::from_millis(150);
    let attempts = [Gets::Code(91000), Gets::Code(91000)];
    assert_eq!(
        play(&attempts, &mut budget, deadline, HALF),
        (vec![50], Some(Stopped::DeadlineTooNear))
    );
    assert_eq!(budget.left(), 495);
}

#[test]
fn where_the_service_answers_with_errors_the_budget_runs_dry_and_successes_fill_it_again() {
    let mut budget = RetryBudget::full();
    let mut retries = 0;
    for _ in 0..1_000 {
        retries += play(&[Gets::Code(91000); 4], &mut budget, LONG, HALF)
            .0
            .len();
    }
    assert_eq!((retries, budget.left()), (100, 0));
    assert_eq!(
        play(&[Gets::Code(91000); 4], &mut budget, LONG, HALF),
        (vec![], Some(Stopped::BudgetSpent))
    );
    for _ in 0..7 {
        play(&[Success], &mut budget, LONG, HALF);
    }
    assert_eq!(budget.left(), 7);
    assert_eq!(
        play(&[Gets::Code(91000); 4], &mut budget, LONG, HALF),
        (vec![50], Some(Stopped::BudgetSpent))
    );
}

#[test]
fn a_call_of_one_attempt_makes_one_whatever_happens_and_one_more_after_a_dead_connection() {
    let policy = RetryPolicy {
        max_attempts: 1,
        ..RetryPolicy::default()
    };
    let once = |attempts: &[Gets]| {
        let mut budget = RetryBudget::full();
        play_by(Retry::new(policy), attempts, &mut budget, LONG, HALF)
    };
    let spent = Some(Stopped::AttemptsSpent);
    assert_eq!(once(&[Nothing]), (vec![], spent));
    assert_eq!(once(&[Gets::Code(91000)]), (vec![], spent));
    assert_eq!(once(&[StaleConnection, Nothing]), (vec![0], spent));
}

#[test]
fn a_call_of_a_run_waits_for_a_service_that_answers_with_errors_once_no_retry_is_left() {
    let of_run = |attempts: &[Gets], left| {
        let mut budget = RetryBudget::full();
        budget.left = left;
        let mut retry = Retry::new(RetryPolicy::default());
        retry.wait_out_errors(true);
        play_by(retry, attempts, &mut budget, LONG, HALF)
    };
    let error = Gets::Code(91000);
    let errors = [error, error, error, error, error, Success];
    assert_eq!(
        of_run(&errors, 500),
        (vec![50, 100, 200, SERVICE, SERVICE], None)
    );
    assert_eq!(of_run(&[error, Success], 4), (vec![SERVICE], None));
    let permanent = Some(Stopped::Permanent);
    assert_eq!(of_run(&[Gets::Code(90001)], 500), (vec![], permanent));
}
