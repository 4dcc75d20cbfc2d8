//! What a request allocates, from the caller's texts to its body: the lists of users and tags, what duplicates are looked
//! for in, and the body, each at once. A program of its own, as it counts with another allocator.

#![allow(clippy::unwrap_used)] // all of it is test code

use allocation_counter::measure;
use imtag_core::{AddTags, GetTags, Request};

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
    let checked = measure(|| {
        let users = users.iter().map(|user| (&user.account, &user.tags));
        request = Some(AddTags::new(users).unwrap());
    });
    let mut body = Vec::new();
    let request = request.unwrap();
    let written = measure(|| request.write_body(&mut body));
    let spare = written.bytes_total - body.len() as u64;
    (checked.count_total, written.count_total, spare)
}

#[test]
fn a_request_of_any_size_is_made_in_four_allocations_and_written_in_one() {
    for (count, tags) in [(1, 1), (1, 10), (10, 3), (100, 10)] {
        let (checked, written, spare) = allocated(&users(count, tags));
        assert_eq!((checked, written), (4, 1), "{count} users with {tags} tags");
        // a comma after each user and each last tag, and what a replacement has
        assert_eq!(
            spare,
            count as u64 + 1 + 12,
            "{count} users with {tags} tags"
        );
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
