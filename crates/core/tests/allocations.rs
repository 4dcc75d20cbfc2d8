//! What a request allocates, from the caller's texts to its JSON, and what a change does. A program of its own, as it
//! counts with another allocator.

#![allow(clippy::unwrap_used)] // all of it is test code

use std::time::Duration;

use allocation_counter::measure;
use imtag_core::plan::{BatchPolicy, BatchResult, Plan};
use imtag_core::{
    AddTags, ChangeOperation, ChangeRequest, Effect, GetTags, Operation, Request, Rules,
};

struct User {
    account: String,
    tags: Vec<String>,
}

fn users(count: usize, tags: usize) -> Vec<User> {
    let users = (0..count).map(|user| User {
        account: format!("user{user:08}"),
        tags: (0..tags)
            .map(|tag| format!("tag{tag:03}-of-20-bytes.."))
            .collect(),
    });
    users.collect()
}

/// The allocations of a request that adds tags, and their bytes beyond its accounts and its JSON.
fn allocated(users: &[User]) -> (u64, usize) {
    let mut request = None;
    let made = measure(|| {
        let users = users.iter().map(|user| (&user.account, &user.tags));
        request = Some(AddTags::new(users).unwrap());
    });
    let needed = request.unwrap().json().len() + size_of::<&str>() * users.len();
    (made.count_total, made.bytes_total as usize - needed)
}

#[test]
fn a_request_of_any_size_is_made_in_three_allocations() {
    // the accounts, the JSON of the first user, and that of all of them
    for (count, tags, allocations, spare) in [
        (1, 1, 2, 436),
        (1, 10, 2, 229),
        (10, 1, 3, 561),
        (10, 3, 3, 561),
        (100, 10, 3, 921),
    ] {
        assert_eq!(
            allocated(&users(count, tags)),
            (allocations, spare),
            "{count} users with {tags} tags"
        );
    }
}

/// However its texts come, as text or as bytes: they are copied one after the other.
#[test]
fn a_change_holds_its_texts_in_one_allocation_and_where_they_end_in_another() {
    for (tags, allocations) in [(0, 1), (1, 1), (2, 2), (10, 2)] {
        let user = &users(1, tags)[0];
        let of_text = || ChangeRequest::add(&user.account, &user.tags);
        let of_bytes = || {
            let tags = user.tags.iter().map(String::as_bytes);
            ChangeRequest::from_bytes(ChangeOperation::Add, user.account.as_bytes(), tags)
        };
        for make in [&of_text as &dyn Fn() -> ChangeRequest, &of_bytes] {
            let mut change = None;
            let made = measure(|| change = Some(make()));
            assert_eq!(made.count_total, allocations, "{tags} tags");
            assert_eq!(change.map(|it| it.tags().len()), Some(tags));
        }
    }
}

/// What is reserved is of the first user's size, and doubled until all are in.
#[test]
fn a_request_of_unlike_users_costs_few_allocations_more() {
    let mut unlike = users(100, 10);
    unlike[0].tags.truncate(1);
    assert_eq!(allocated(&unlike).0, 6);
}

/// Programs number their users without zeros before the number, so the first is the shortest.
#[test]
fn a_request_of_users_a_little_longer_than_the_first_costs_no_allocation_more() {
    let mut numbered = users(100, 10);
    for (at, user) in numbered.iter_mut().enumerate() {
        user.account = format!("user{}", at + 1);
    }
    assert_eq!(allocated(&numbered).0, 3);
}

#[test]
fn a_refused_request_writes_nothing_after_what_is_wrong() {
    let mut refused = users(100, 10);
    refused[0].tags[0].clear();
    let made = measure(|| {
        let users = refused.iter().map(|user| (&user.account, &user.tags));
        assert!(AddTags::new(users).is_err());
    });
    // the accounts, the JSON as far as it went, and the list of what is wrong
    assert_eq!(made.count_total, 3);
}

#[test]
fn a_change_is_checked_in_the_allocation_that_holds_it() {
    let tags = |count| {
        (0..count)
            .map(|tag| format!("tag{tag}"))
            .collect::<Vec<_>>()
    };
    for count in [1, 10, 100] {
        let change = ChangeRequest::add("user", tags(count));
        let mut checked = None;
        let counted = measure(|| checked = Some(change.check(&Rules::default())));
        assert_eq!(counted.count_total, 1, "{count} tags");
    }
}

#[test]
fn a_list_of_accounts_is_made_in_three_allocations() {
    let users = users(100, 0);
    let made = measure(|| {
        let accounts = users.iter().map(|user| &user.account);
        assert!(GetTags::new(accounts).is_ok());
    });
    assert_eq!(made.count_total, 3);
}

/// Adds tags to these users, in requests that are done. Returns how many users had their outcome.
fn pass(plan: &mut Plan<usize, Effect>, users: &[User]) -> usize {
    let (rules, now) = (Rules::default(), Duration::from_secs(1));
    let producer = plan.open(BatchPolicy {
        linger: Duration::ZERO,
        late_window: Duration::ZERO,
        capacity: 4096,
        requests_at_once: 1,
        full_slot_is_enough: false,
        remember_rejected: true,
        probe_first: false,
    });
    for (at, user) in users.iter().enumerate() {
        let change = ChangeRequest::add(&user.account, &user.tags).check(&rules);
        plan.push(producer, change.unwrap(), at, Duration::MAX, now);
    }
    let mut outcomes = 0;
    while let Some(batch) = plan.take(producer, now) {
        assert_eq!(batch.request(&rules).accounts().len(), 100);
        let (left_out, read) = (Vec::new(), Vec::new());
        plan.settle(batch, BatchResult::Done { left_out, read }, false, now);
        outcomes += plan.take_settled(producer).count();
    }
    assert!(plan.has_capacity(producer, Operation::Add));
    plan.close(producer);
    outcomes
}

/// The texts, what shares them, and the part of the slot; of several tags, where they end. The rest are lists, which are
/// allocated for a hundred users, or grow.
#[test]
fn a_change_passes_the_plan_in_few_allocations() {
    for (tags, allocations) in [(1, 3), (10, 4)] {
        let users = users(1_000, tags);
        let mut plan = Plan::new(Rules::default());
        pass(&mut plan, &users);
        let passed = measure(|| assert_eq!(pass(&mut plan, &users), 1_000));
        let at_most = 1_000 * allocations + 300;
        assert!(passed.count_total <= at_most, "{tags} tags: {passed:?}");
    }
}
