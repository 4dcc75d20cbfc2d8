//! The four calls against the emulator: what the conformance cases do not hold.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use imtag_emulator::{Fault, Operation};
use imtag_transport::{
    AddTags, Cause, ClearTags, Client, Credentials, Effect, Generation, GetTags, RemoveTags, Rules,
    SuppliedUserSig, UserSig,
};
use support::*;

#[test]
fn the_four_calls_do_their_jobs_on_both_generations_over_tls_and_without() {
    for tls in [true, false] {
        for generation in Generation::ALL {
            let emulator = service().tls(tls).start().unwrap();
            let ca = tls.then(|| ca_file(&emulator));
            let mut builder = builder(&emulator.endpoint()).generation(generation);
            if let Some(ca) = &ca {
                builder = builder.ca_file(ca.path());
            }
            let client = builder.build().unwrap();
            let rules = client.rules();

            let add =
                AddTags::with_rules(rules, [("u", ["a", "北京"]), ("v", ["😀", "a"])]).unwrap();
            let added = client.add_tag(&add).unwrap();
            assert_eq!((added.accounts, added.attempts), (2, 1));
            assert_eq!(tags(&emulator, "u"), ["a", "北京"]);

            let remove = RemoveTags::with_rules(rules, [("u", ["a"])]).unwrap();
            client.remove_tag(&remove).unwrap();
            let read = client
                .get_tag(&GetTags::with_rules(rules, ["u", "v"]).unwrap())
                .unwrap();
            assert_eq!(read.tags[0].account, "u");
            assert_eq!(read.tags[0].tags, ["北京"]);
            assert_eq!(read.tags[1].tags.len(), 2);

            client
                .clear_tags(&ClearTags::with_rules(rules, ["u", "v"]).unwrap())
                .unwrap();
            assert!(emulator.users().values().all(BTreeSet::is_empty));
            assert_eq!(emulator.stats().connections, 1, "one connection serves all");
        }
    }
}

#[test]
fn a_request_that_breaks_the_clients_rules_is_not_sent() {
    let emulator = emulator();
    let timpush = Rules::for_generation(Generation::Timpush);
    let long = "r".repeat(36);
    let request = AddTags::with_rules(&timpush, [(&long, ["t"])]).unwrap();
    let error = client(&emulator).add_tag(&request).unwrap_err();
    assert!(matches!(error.cause(), Cause::Invalid(_)));
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 0));
    assert_eq!(emulator.stats().connections, 0);
}

#[test]
fn a_call_that_got_no_usersig_may_succeed_later_so_nothing_stopped_it_for_good() {
    let emulator = emulator();
    let end_of = |credentials: Credentials, attempts| {
        let builder = Client::builder(1_400_000_000, "administrator", credentials);
        let client = builder.endpoint(emulator.endpoint()).build().unwrap();
        let error = client.add_tag(&add()).unwrap_err();
        assert!(matches!(error.cause(), Cause::Credentials(_)), "{error}");
        assert_eq!((error.attempts(), error.stopped()), (attempts, None));
        assert!(error.retryable());
    };
    end_of(Credentials::callback(|| Err("none today".into())), 0);
    // the service calls the first one expired, and there is no second
    emulator.fault(Operation::Add, Fault::code(70001));
    let asked = AtomicBool::new(false);
    let one = Credentials::callback(move || {
        if asked.swap(true, Ordering::SeqCst) {
            return Err("none today".into());
        }
        let usersig = UserSig::new("first").unwrap();
        Ok(SuppliedUserSig {
            usersig,
            valid_for: None,
        })
    });
    end_of(one, 1);
}

#[test]
fn a_call_is_repeated_until_it_succeeds_each_time_with_its_own_random_number() {
    let passing = [Fault::code(91000), Fault::status(502), Fault::cut_before()];
    for faults in [passing.as_slice(), &[Fault::code(60007)]] {
        let emulator = emulator();
        emulator.faults(Operation::Add, faults.iter().cloned());
        let outcome = client(&emulator).add_tag(&add()).unwrap();
        let attempts = outcome.attempts as usize;
        assert_eq!((outcome.accounts, attempts), (2, faults.len() + 1));
        let requests = emulator.requests();
        let queries = requests.iter().flat_map(|request| &request.query);
        let randoms: HashSet<_> = queries.filter(|(name, _)| name == "random").collect();
        assert_eq!(randoms.len(), attempts);
    }
}

#[test]
fn a_host_without_an_address_is_a_network_error_that_names_it() {
    let client = builder("https://no-such-host.invalid").retry(ONE_ATTEMPT);
    let client = client.build().unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(cause(&error), "network while looking up the host");
    assert!(
        error.to_string().contains("no-such-host.invalid"),
        "{error}"
    );
    assert_eq!(error.effect(), Effect::NotApplied);
}
