//! The models, and the orders in which each is run.

use libtest_mimic::{Failed, Trial};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::process::{FAILING_STARTS, STARTS};
use crate::wait::sync::reset;
use crate::{batchers, futures, limiters, outages, runs};

/// So many orders are drawn at random, and as many that put few threads off at the worst moments.
const ORDERS: usize = 300;

/// Functions of a module, with their names.
macro_rules! models {
    ($module:ident: $($model:ident),* $(,)?) => {
        [$((stringify!($model), $module::$model as fn())),*]
    };
}

/// All models, each a test.
pub(crate) fn all() -> Vec<Trial> {
    let of_batchers = models![batchers:
        enqueue_flush_close,
        calls_share_a_linger,
        a_linger_beside_a_busy_worker,
        waits_that_are_cancelled,
        a_cancel_at_any_moment,
        a_cancel_of_a_call_that_has_its_outcome,
        a_flush_against_a_cancelled_call,
        a_withdrawal_at_any_moment,
        a_deadline_against_the_outcome,
        an_outcome_that_comes_with_the_deadline,
        polls_without_a_request,
        a_close_against_submissions,
        a_drop_with_a_request_under_way,
        the_last_worker_ends,
        a_full_batcher,
        a_close_of_a_full_batcher,
        threads_that_cannot_be_started,
        threads_that_cannot_be_started_in_a_batcher_that_pauses,
        starts_that_fail_beside_a_busy_worker,
        a_forked_child_takes_no_lock,
        a_look_that_finds_nothing,
    ];
    let of_futures = models![futures:
        tasks_that_share_a_request,
        a_future_that_moves_to_another_task,
        tasks_of_a_full_batcher,
        a_dropped_future_leaves_its_turn_to_the_next,
        changes_that_are_given_together,
        changes_that_are_given_together_to_a_full_batcher,
        changes_that_were_given_together_are_withdrawn,
        a_close_against_tasks_that_wait_for_capacity,
        a_future_is_withdrawn_at_any_moment,
        an_abandoned_batcher_wakes_its_tasks,
    ];
    let of_runs = models![runs:
        a_run_of_two_pushers,
        a_run_is_cancelled_at_any_moment,
        a_run_that_is_drained_by_its_token,
        a_run_that_ends_by_its_health,
        a_run_that_pauses,
        a_pause_past_a_deadline,
    ];
    let of_outages = models![outages:
        an_answer_counts_whenever_it_comes,
        an_answer_ends_the_wait_of_all,
    ];
    let of_limiters = models![limiters:
        calls_of_a_quota_of_one,
        a_quota_is_never_exceeded,
        a_wait_that_ends_wakes_the_next,
    ];
    let all = of_batchers.into_iter().chain(of_futures).chain(of_runs);
    let all = all.chain(of_outages).chain(of_limiters);
    let trials = all.map(|(name, model)| Trial::test(name, move || try_orders(model)));
    trials.collect()
}

fn try_orders(model: fn()) -> Result<(), Failed> {
    let each = move || {
        reset();
        FAILING_STARTS.set(0);
        STARTS.set(0);
        model();
    };
    // the same orders each time
    Runner::new(RandomScheduler::new_from_seed(7, ORDERS), Config::new()).run(each);
    Runner::new(PctScheduler::new_from_seed(7, 3, ORDERS), Config::new()).run(each);
    Ok(())
}
