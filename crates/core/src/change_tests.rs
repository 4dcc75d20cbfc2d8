//! What a change is made of, and what is wrong with one that is not.

use super::*;

fn tags(count: usize) -> Vec<String> {
    (0..count).map(|tag| format!("t{tag}")).collect()
}

fn checked(request: ChangeRequest) -> Result<Change, String> {
    request.check(&Rules::default()).map_err(|invalid| {
        let violations = invalid.violations().iter().map(ToString::to_string);
        violations.collect::<Vec<_>>().join("; ")
    })
}

#[test]
fn an_invalid_change_is_as_invalid_when_it_is_checked_again() {
    let given: [&[u8]; 3] = [b"a", b"a", b"\xff"];
    let request = ChangeRequest::from_bytes(ChangeOperation::Add, b"u", given);
    let mut invalid = request.check(&Rules::default()).unwrap_err();
    for _ in 0..2 {
        let shown = format!("{:?}", invalid.request());
        let expected =
            "ChangeRequest { operation: Add, account: \"u\", tags: [\"a\", \"a\", \"\u{fffd}\"] }";
        assert_eq!(shown, expected);
        assert_eq!(invalid.violations()[0].place, Place::ChangeTag(2));
        invalid = invalid.into_parts().0.check(&Rules::default()).unwrap_err();
    }
}

#[test]
fn a_user_gets_as_many_tags_as_it_carries_and_not_one_more() {
    for count in [1, 99, 100] {
        assert!(checked(ChangeRequest::add("u", tags(count))).is_ok());
    }
    assert_eq!(
        checked(ChangeRequest::add("u", tags(101))).unwrap_err(),
        "tags: 101 given, at most 100"
    );
    assert!(checked(ChangeRequest::remove("u", tags(101))).is_ok());
}

#[test]
fn a_replace_is_for_the_timpush_paths_and_takes_one_tag_to_as_many_as_a_user_carries() {
    let check = |tags: &[String], rules: &Rules| {
        let checked = ChangeRequest::replace("u", tags).check(rules);
        checked.map_err(|invalid| invalid.to_string())
    };
    let timpush = Rules::for_generation(crate::Generation::Timpush);
    for count in [1, 100] {
        let change = check(&tags(count), &timpush).unwrap();
        assert_eq!(change.operation(), ChangeOperation::Replace);
        assert!(change.tags().eq(tags(count)));
    }
    // as the strict call says it
    assert_eq!(
        [0, 101].map(|count| check(&tags(count), &timpush).unwrap_err()),
        [
            "invalid request, nothing was sent: tags: none given, at least 1 (leave it out, or fill it)",
            "invalid request, nothing was sent: tags: 101 given, at most 100 \
             (leave some out, as a user carries at most that many)",
        ]
    );
    assert_eq!(
        check(&["".to_owned()], &Rules::default()).unwrap_err(),
        "invalid request, nothing was sent: replace: not possible on the all_member_push paths \
         (choose the generation timpush, or clear the tags and add new ones); \
         tags[0]: empty, at least 1 byte (leave it out, or fill it)"
    );
}

#[test]
fn every_violation_is_found_at_once() {
    let request = ChangeRequest::add("x".repeat(33), ["a", "", &"é".repeat(26)]);
    assert_eq!(
        checked(request).unwrap_err(),
        "account: 33 bytes, at most 32; tags[1]: empty, at least 1 byte; tags[2]: 52 bytes, at most 50"
    );
    assert_eq!(
        checked(ChangeRequest::remove("", [""; 0])).unwrap_err(),
        "account: empty, at least 1 byte; tags: none given, at least 1"
    );
    assert!(checked(ChangeRequest::clear("")).is_err());
}

#[test]
fn a_violation_is_at_the_position_that_the_caller_gave_and_the_change_is_shown_as_given() {
    let request = ChangeRequest::add("u", ["a", "a", "", "b"]);
    let invalid = request.check(&Rules::default()).unwrap_err();
    assert_eq!(
        invalid.violations()[0].to_string(),
        "tags[2]: empty, at least 1 byte"
    );
    assert!(invalid.request().tags().eq(["a", "a", "", "b"]));
}

#[test]
fn bytes_are_checked_as_text_is() {
    use ChangeOperation::{Add, Clear, Remove};
    let from = |operation, tags: &[&'static [u8]]| {
        let request = ChangeRequest::from_bytes(operation, b"u", tags.iter().copied());
        checked(request).unwrap()
    };
    assert_eq!(
        from(Add, &[b"a", b"a", b"b"]),
        checked(ChangeRequest::add("u", ["a", "b"])).unwrap()
    );
    assert_eq!(
        from(Remove, &[b"a"]),
        checked(ChangeRequest::remove("u", ["a"])).unwrap()
    );
    assert_eq!(
        from(Clear, &[]),
        checked(ChangeRequest::clear("u")).unwrap()
    );
}

#[test]
fn bytes_that_are_no_text_are_one_fault_among_others_and_are_shown_as_far_as_they_can_be() {
    let tags = [b"vip".as_slice(), b"a\xff", b"", b"\xff"];
    let request = ChangeRequest::from_bytes(ChangeOperation::Add, b"u\xff", tags);
    let invalid = request.check(&Rules::default()).unwrap_err();
    let violations = invalid.violations().iter().map(ToString::to_string);
    assert!(violations.eq([
        "account: not UTF-8 from byte 1 on",
        "tags[1]: not UTF-8 from byte 1 on",
        "tags[2]: empty, at least 1 byte",
        "tags[3]: not UTF-8 from byte 0 on",
    ]));
    assert_eq!(invalid.request().account(), "u\u{fffd}");
    let shown = ["vip", "a\u{fffd}", "", "\u{fffd}"];
    assert!(invalid.request().tags().eq(shown));
}

#[test]
fn tags_that_stand_twice_count_once_few_or_many() {
    for count in [3, 40, 100] {
        let twice = tags(count).into_iter().chain(tags(count));
        let change = checked(ChangeRequest::add("u", twice)).unwrap();
        assert!(change.tags().eq(tags(count)));
    }
}

#[test]
fn a_change_has_the_texts_that_it_was_made_of_whatever_their_lengths() {
    let lengths = [0, 1, 3, 60, 1_000];
    for account in lengths {
        for count in 0..4_usize {
            for code in 0..lengths.len().pow(3) {
                let tags = (0..count).map(|at| {
                    let length = lengths[code / lengths.len().pow(at as u32) % lengths.len()];
                    "é".repeat(length)
                });
                let tags: Vec<String> = tags.collect();
                let account = "ü".repeat(account);
                let change = ChangeRequest::add(&account, &tags);
                assert_eq!(change.account(), account);
                assert_eq!(change.tags().len(), count);
                assert!(change.tags().eq(tags.iter()));
                assert!((0..count).all(|at| change.tags().at(at) == tags[at]));
            }
        }
    }
    let change = ChangeRequest::clear("u");
    assert_eq!((change.account(), change.tags().len()), ("u", 0));
}

/// A list may say that it has any number of elements.
#[test]
fn what_a_caller_says_of_the_number_of_tags_is_not_believed_without_an_end() {
    let mut given = 0..usize::MAX;
    let tags = std::iter::from_fn(|| (given.next()? < 3).then_some("vip"));
    struct Endless<I>(I);
    impl<I: Iterator> Iterator for Endless<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    let change = ChangeRequest::remove("u", Endless(tags));
    assert!(change.tags().eq(["vip"; 3]));
    assert!(change.text.capacity() < 10_000);
}
