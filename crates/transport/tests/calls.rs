//! The four calls against the emulator: what is done, what is refused, and what is known of the effect.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeSet, HashSet};

use imtag_core::retry::Stopped;
use imtag_emulator::{Emulator, Fault, Operation};
use imtag_transport::{
    AddTags, Cause, ClearTags, Client, Code, Credentials, Effect, Error, Generation, GetTags,
    RemoveTags, Rules, SuppliedUserSig, UserSig,
};
use support::*;

fn failed(emulator: &Emulator, fault: Fault) -> Error {
    emulator.fault(Operation::Add, fault);
    let client = client_of_one_attempt(emulator);
    client.add_tag(&add()).unwrap_err()
}

#[test]
fn the_four_calls_do_their_jobs_on_both_generations_over_tls_and_without() {
    for tls in [true, false] {
        for generation in Generation::ALL {
            let emulator = Emulator::builder().secret_key(key()).tls(tls);
            let emulator = emulator.start().unwrap();
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
fn tags_are_replaced_on_timpush() {
    let emulator = emulator();
    let builder = builder(&emulator.endpoint()).generation(Generation::Timpush);
    let client = builder.build().unwrap();
    client
        .add_tag(&AddTags::with_rules(client.rules(), [("u", ["old"])]).unwrap())
        .unwrap();
    let replace = AddTags::replacing(client.rules(), [("u", ["new"])]).unwrap();
    client.add_tag(&replace).unwrap();
    assert_eq!(tags(&emulator, "u"), ["new"]);
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
fn every_account_left_out_of_a_success_is_named_and_the_others_are_done() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::leave_out(["v"], 70107));
    let error = client(&emulator).add_tag(&add()).unwrap_err();
    let Cause::Partial(partial) = error.cause() else {
        panic!("{error:?}");
    };
    assert_eq!(partial.outcome.accounts, 1);
    assert_eq!(error.failures().len(), 1);
    assert_eq!(error.failures()[0].account, "v");
    assert_eq!(error.failures()[0].effect, Effect::NotApplied);
    assert_eq!(error.code(), Some(Code(70107)));
    assert_eq!(error.attempts(), 1);
    assert_eq!(
        (tags(&emulator, "u").len(), tags(&emulator, "v").len()),
        (1, 0)
    );
}

#[test]
fn an_account_left_out_after_an_attempt_that_may_have_been_applied_is_possibly_applied() {
    let emulator = emulator();
    let faults = [Fault::cut_after(), Fault::leave_out(["v"], 70107)];
    emulator.faults(Operation::Add, faults);
    let error = client(&emulator).add_tag(&add()).unwrap_err();
    assert_eq!(error.failures()[0].effect, Effect::PossiblyApplied);
    assert_eq!(tags(&emulator, "v"), ["t"]);
}

#[test]
fn a_get_that_failed_is_not_read_whatever_the_cause() {
    let emulator = emulator();
    let get = GetTags::new(["u", "v"]).unwrap();
    for (fault, start) in [
        (Fault::cut_after(), "get: the network failed"),
        (Fault::status(502), "get: HTTP status 502"),
        (Fault::garbage(), "get: not an answer"),
        (Fault::code(91000), "get: the service refused"),
        (Fault::code(70009), "get: the service refused"),
        (Fault::leave_out(["v"], 70107), "get: 1 of 2 accounts"),
    ] {
        emulator.fault(Operation::Get, fault);
        let client = client_of_one_attempt(&emulator);
        let error = client.get_tag(&get).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains(" (not read; "), "{message}");
        assert_eq!(error.effect(), Effect::NotRead);
        let mut failures = error.failures().iter();
        assert!(failures.all(|it| it.effect == Effect::NotRead));
    }
}

#[test]
fn a_refusal_says_code_text_effect_and_number_of_the_request() {
    let emulator = emulator();
    let error = failed(&emulator, Fault::code(90045).text("not enabled"));
    assert_eq!(error.code(), Some(Code(90045)));
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 1));
    assert_eq!(error.stopped(), Some(Stopped::Permanent));
    assert!(error.request_id().is_some() && !error.retryable());
    assert!(
        error
            .to_string()
            .contains("90045 \"not enabled\" (not applied; enable the Push service"),
        "{error}"
    );

    let unknown = failed(&emulator, Fault::code(99_999).text("new"));
    assert_eq!(
        (unknown.code(), unknown.attempts()),
        (Some(Code(99_999)), 1)
    );
    assert_eq!(unknown.effect(), Effect::PossiblyApplied);
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
fn answers_that_are_not_the_services_are_errors_with_their_start() {
    let emulator = emulator();
    let page = failed(&emulator, Fault::garbage().body("<html>hello</html>"));
    assert!(matches!(page.cause(), Cause::NotUnderstood(n) if n.start == "<html>hello</html>"));
    let gateway = failed(&emulator, Fault::status(502).body("bad gateway"));
    assert!(
        matches!(gateway.cause(), Cause::HttpStatus { status: 502, start } if start == "bad gateway")
    );
    let truncated = failed(&emulator, Fault::truncated());
    assert_eq!(cause(&truncated), "network while waiting for the answer");
    for error in [page, gateway, truncated] {
        assert_eq!(
            (error.effect(), error.attempts()),
            (Effect::PossiblyApplied, 1)
        );
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let emulator = emulator();
    let error = failed(&emulator, Fault::redirect(emulator.endpoint()));
    assert_eq!(cause(&error), "status 302");
    assert_eq!(error.attempts(), 1);
}

#[test]
fn a_cut_connection_is_possibly_applied_and_a_refused_one_is_not() {
    let emulator = emulator();
    for cut in [Fault::cut_before(), Fault::cut_after()] {
        let error = failed(&emulator, cut);
        assert_eq!(cause(&error), "network while waiting for the answer");
        assert_eq!(error.effect(), Effect::PossiblyApplied);
    }
    let endpoint = emulator.endpoint();
    drop(emulator);
    let client = builder(&endpoint).retry(ONE_ATTEMPT).build().unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(cause(&error), "network while connecting");
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 1));
    assert_eq!(error.sent(), 0);
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

#[test]
fn a_certificate_that_does_not_fit_is_a_tls_error_and_nothing_is_sent() {
    let (emulator, other) = (tls_emulator(), tls_emulator());
    let wrong = ca_file(&other);
    let clients = [
        builder(&emulator.endpoint()).build(),
        builder(&emulator.endpoint()).ca_file(wrong.path()).build(),
    ];
    for client in clients {
        let error = client.unwrap().add_tag(&add()).unwrap_err();
        assert_eq!(cause(&error), "TLS");
        assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 1));
    }
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn a_usersig_that_expired_is_made_anew_once() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::code(70001));
    let outcome = client(&emulator).add_tag(&add()).unwrap();
    assert_eq!(outcome.attempts, 2);
    emulator.faults(Operation::Add, vec![Fault::code(70001); 2]);
    let error = client(&emulator).add_tag(&add()).unwrap_err();
    assert_eq!((error.code(), error.attempts()), (Some(Code(70001)), 2));

    let usersig = UserSig::new("expired").unwrap();
    let ready = with_credentials(&emulator, usersig.into());
    emulator.fault(Operation::Add, Fault::code(70001));
    assert_eq!(ready.add_tag(&add()).unwrap_err().attempts(), 1);
}

#[test]
fn a_callback_supplies_the_usersig_and_its_failure_reaches_the_caller() {
    let emulator = emulator();
    let sign = || {
        let app = imtag_core::SdkAppId::new(1_400_000_000)?;
        let admin = imtag_core::Identifier::new("administrator")?;
        let day = std::time::Duration::from_secs(86_400);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(SuppliedUserSig {
            usersig: UserSig::sign(&key(), app, &admin, day, now),
            valid_for: Some(day),
        })
    };
    let client = with_credentials(&emulator, Credentials::callback(sign));
    assert!(client.add_tag(&add()).is_ok());

    let client = with_credentials(
        &emulator,
        Credentials::callback(|| Err("the vault is sealed".into())),
    );
    let error = client.add_tag(&add()).unwrap_err();
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 0));
}

fn with_credentials(emulator: &Emulator, credentials: Credentials) -> Client {
    Client::builder(1_400_000_000, "administrator", credentials)
        .endpoint(emulator.endpoint())
        .build()
        .unwrap()
}

#[test]
fn an_answer_without_end_is_cut_off_at_a_mebibyte() {
    let emulator = emulator();
    let error = failed(&emulator, Fault::garbage().body("x".repeat((1 << 20) + 1)));
    let Cause::NotUnderstood(error) = error.cause() else {
        panic!("{error:?}");
    };
    assert_eq!(error.reason, "the answer has more than 1048576 bytes");
}
