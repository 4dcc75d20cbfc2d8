//! What a request allocates, from the caller's texts to its body: the lists of users and tags, what duplicates are looked
//! for in, and the body, each at once. A program of its own, as it counts with another allocator.

#![allow(clippy::unwrap_used)] // all of it is test code

use allocation_counter::measure;
use imtag_core::{AddTags, ChangeRequest, GetTags, Request, Rules};

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

/// The allocations of a request that adds tags, and of its body, and the bytes of the body beyond its length.
fn allocated(users: &[User]) -> (u64, u64, u64) {
    let mut request = None;
    let made = measure(|| {
        let users = users.iter().map(|user| (&user.account, &user.tags));
        request = Some(AddTags::new(users).unwrap());
    });
    let mut body = Vec::new();
    let request = request.unwrap();
    let written = measure(|| request.write_body(&mut body));
    let spare = written.bytes_total - body.len() as u64;
    (made.count_total, written.count_total, spare)
}

#[test]
fn a_request_of_any_size_is_made_in_four_allocations_and_written_in_one() {
    // a list of one needs nothing to find duplicates in
    for (count, tags, made_in) in [(1, 1, 2), (1, 10, 3), (10, 1, 3), (10, 3, 4), (100, 10, 4)] {
        let (made, written, spare) = allocated(&users(count, tags));
        assert_eq!(
            (made, written),
            (made_in, 1),
            "{count} users with {tags} tags"
        );
        // a comma after each user and each last tag, and what a replacement has
        assert_eq!(
            spare,
            count as u64 + 1 + 12,
            "{count} users with {tags} tags"
        );
    }
}

#[test]
fn a_change_of_one_tag_is_checked_in_the_allocation_that_holds_it() {
    let tags = |count| {
        (0..count)
            .map(|tag| format!("tag{tag}"))
            .collect::<Vec<_>>()
    };
    for (count, allocations) in [(1, 1), (10, 2)] {
        let change = ChangeRequest::add("user", tags(count));
        let mut checked = None;
        let counted = measure(|| checked = Some(change.check(&Rules::default())));
        assert_eq!(counted.count_total, allocations, "{count} tags");
    }
}

#[test]
fn a_list_of_accounts_is_made_in_two_allocations() {
    let users = users(100, 0);
    let made = measure(|| {
        let accounts = users.iter().map(|user| &user.account);
        assert!(GetTags::new(accounts).is_ok());
    });
    assert_eq!(made.count_total, 2);
}
