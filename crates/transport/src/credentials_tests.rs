//! One UserSig for all threads, a new one once when it has expired, and no secret shown.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::wait::deadline_after;

fn app() -> SdkAppId {
    SdkAppId::new(1_400_000_000).unwrap()
}

fn ask(usersigs: &UserSigs, credentials: &Credentials) -> Result<VersionedUserSig, NoUserSig> {
    let identifier = Identifier::new("administrator").unwrap();
    let wait_scope = WaitScope::until(deadline_after(Duration::MAX));
    usersigs.current(credentials, app(), &identifier, &wait_scope)
}

fn current(usersigs: &UserSigs, credentials: &Credentials) -> VersionedUserSig {
    match ask(usersigs, credentials) {
        Ok(usersig) => usersig,
        Err(_) => panic!("no UserSig"),
    }
}

/// A callback that counts its calls and supplies `s1`, `s2` …
fn counting(calls: &Arc<AtomicU32>, valid_for: Option<Duration>) -> Credentials {
    let calls = Arc::clone(calls);
    Credentials::callback(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(SuppliedUserSig {
            usersig: UserSig::new(format!("s{call}")).unwrap(),
            valid_for,
        })
    })
}

#[test]
fn many_threads_share_one_usersig_and_one_renewal() {
    let calls = Arc::new(AtomicU32::new(0));
    let credentials = counting(&calls, None);
    let usersigs = UserSigs::new();
    let first = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| current(&usersigs, &credentials).usersig.expose().to_owned()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(first, ["s1"; 16]);
    let old = VersionedUserSig {
        usersig: UserSig::new("s1").unwrap(),
        generation: 1,
    };
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                usersigs.expired(&old, &credentials);
                current(&usersigs, &credentials);
            });
        }
    });
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a_usersig_is_renewed_when_half_its_time_is_over() {
    let calls = Arc::new(AtomicU32::new(0));
    let usersigs = UserSigs::new();
    let long = counting(&calls, Some(Duration::from_secs(3600)));
    assert_eq!(current(&usersigs, &long).usersig.expose(), "s1");
    assert_eq!(current(&usersigs, &long).usersig.expose(), "s1");
    let over = Duration::from_secs(1801);
    usersigs.state().held.as_mut().unwrap().made_wall -= over;
    assert_eq!(current(&usersigs, &long).usersig.expose(), "s2");
}

#[test]
fn a_wall_clock_that_went_back_makes_a_new_usersig() {
    let calls = Arc::new(AtomicU32::new(0));
    let usersigs = UserSigs::new();
    let long = counting(&calls, Some(Duration::from_secs(3600)));
    current(&usersigs, &long);
    usersigs.state().held.as_mut().unwrap().made_wall += Duration::from_secs(100);
    assert_eq!(current(&usersigs, &long).usersig.expose(), "s2");
}

#[test]
fn a_ready_usersig_cannot_be_renewed() {
    let credentials = Credentials::from(UserSig::new("ready").unwrap());
    let usersigs = UserSigs::new();
    let ready = current(&usersigs, &credentials);
    assert!(!usersigs.expired(&ready, &credentials));
    assert_eq!(current(&usersigs, &credentials).usersig.expose(), "ready");
}

#[test]
fn a_callback_that_panics_leaves_the_next_caller_a_turn() {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let credentials = Credentials::callback(move || {
        assert!(
            counter.fetch_add(1, Ordering::SeqCst) > 0,
            "the first call panics"
        );
        Ok(SuppliedUserSig {
            usersig: UserSig::new("second").unwrap(),
            valid_for: None,
        })
    });
    let usersigs = UserSigs::new();
    let panicked = thread::scope(|scope| {
        let first = scope.spawn(|| drop(current(&usersigs, &credentials)));
        first.join().is_err()
    });
    assert!(panicked);
    assert_eq!(current(&usersigs, &credentials).usersig.expose(), "second");
}

#[test]
fn credentials_show_their_kind_only() {
    let key = Credentials::from(SecretKey::new("hush").unwrap());
    let ready = Credentials::from(UserSig::new("hush").unwrap());
    assert_eq!(
        format!("{key:?} {ready:?}"),
        "Credentials(secret key) Credentials(UserSig)"
    );
}

#[test]
fn a_callback_that_calls_its_own_client_is_told_so_and_does_not_wait_for_itself() {
    let usersigs = Arc::new(UserSigs::new());
    let inner = Arc::clone(&usersigs);
    let credentials = Credentials::callback(move || {
        let never_asked = Credentials::callback(|| Err("asked".into()));
        match ask(&inner, &never_asked) {
            Err(NoUserSig::Failed(why)) => Err(why),
            _ => Err("it was supplied".into()),
        }
    });
    let Err(NoUserSig::Failed(why)) = ask(&usersigs, &credentials) else {
        panic!("supplied")
    };
    assert_eq!(
        why.to_string(),
        "a credential callback called the client that it supplies: use another client there"
    );
}
