//! Where the UserSig of a call comes from. The first call that needs one makes it, and all threads use it until half its
//! time is over. When the service says that it expired, one thread makes a new one, and the others wait for it.
//!
//! ```text
//! none ── making, by one thread ──► held ─┬─ half its time is over ──► making
//!                ▲                        └─ expired ──► none
//!                └─ it failed: the next thread tries
//! ```

use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};

use crate::error::UserSigSource;
use crate::event::event;
use crate::wait::{Lock, Polled, WaitEnd, WaitPlace, WaitScope, Waiters};

/// How long a UserSig that is made here is valid. The service asks for a day or more.
const VALID_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// The app's credentials: what UserSigs are made of, or what supplies them.
#[derive(Clone)]
pub struct Credentials(Source);

#[derive(Clone)]
enum Source {
    Key(SecretKey),
    Ready(UserSig),
    Callback(Arc<Callback>),
}

type Callback = dyn Fn() -> Result<SuppliedUserSig, CallbackError> + Send + Sync;

/// What a credential callback may fail with; it reaches the caller of the client.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// A UserSig from a callback.
#[derive(Debug, Clone)]
pub struct SuppliedUserSig {
    /// The UserSig.
    pub usersig: UserSig,
    /// How long it is valid from now. `None`: unknown; it is used until the service calls it expired.
    pub valid_for: Option<Duration>,
}

impl Credentials {
    /// A callback that supplies a UserSig whenever a new one is needed, from a vault, say. It runs on a thread that
    /// calls the client, one at a time; a call's deadline cannot interrupt it, so it should bound its own waits.
    ///
    /// ```no_run
    /// # fn from_vault() -> Result<String, std::io::Error> { unimplemented!() }
    /// use imtag_transport::{Client, Credentials, Region, SuppliedUserSig, UserSig};
    ///
    /// let credentials = Credentials::callback(|| {
    ///     let usersig = UserSig::new(from_vault()?)?;
    ///     Ok(SuppliedUserSig { usersig, valid_for: None })
    /// });
    /// let client = Client::builder(1400000000, "administrator", credentials).region(Region::Tokyo).build()?;
    /// # Ok::<(), imtag_transport::SettingsError>(())
    /// ```
    pub fn callback<F>(supply: F) -> Credentials
    where
        F: Fn() -> Result<SuppliedUserSig, CallbackError> + Send + Sync + 'static,
    {
        Credentials(Source::Callback(Arc::new(supply)))
    }

    /// Where a UserSig comes from.
    pub(crate) fn source(&self) -> UserSigSource {
        match &self.0 {
            Source::Key(key) => UserSigSource::Key {
                usual: key.has_usual_form(),
            },
            Source::Ready(_) => UserSigSource::Ready,
            Source::Callback(_) => UserSigSource::Callback,
        }
    }

    fn name(&self) -> &'static str {
        match self.0 {
            Source::Key(_) => "secret key",
            Source::Ready(_) => "UserSig",
            Source::Callback(_) => "callback",
        }
    }

    fn supply(&self, app: SdkAppId, identifier: &Identifier) -> Result<Held, CallbackError> {
        let wall = SystemTime::now();
        let (usersig, valid_for) = match &self.0 {
            Source::Key(key) => {
                let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
                let made = UserSig::sign(key, app, identifier, VALID_FOR, since_epoch);
                (made, Some(VALID_FOR))
            }
            Source::Ready(usersig) => (usersig.clone(), None),
            Source::Callback(supply) => {
                let supplied = supply()?;
                (supplied.usersig, supplied.valid_for)
            }
        };
        Ok(Held {
            usersig,
            made: Instant::now(),
            made_wall: wall,
            valid_for,
        })
    }
}

impl From<SecretKey> for Credentials {
    fn from(key: SecretKey) -> Self {
        Credentials(Source::Key(key))
    }
}

impl From<UserSig> for Credentials {
    fn from(usersig: UserSig) -> Self {
        Credentials(Source::Ready(usersig))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.name())
    }
}

/// A UserSig in use.
pub(crate) struct Held {
    pub(crate) usersig: UserSig,
    made: Instant,
    made_wall: SystemTime,
    valid_for: Option<Duration>,
}

impl Held {
    /// True until half its time is over by either clock: the wall clock may be set, and the monotonic clock may stop while
    /// the machine sleeps. After the wall clock went back, the UserSig may begin in the future, so it is not fresh.
    fn fresh(&self) -> bool {
        let Some(valid_for) = self.valid_for else {
            return true;
        };
        let by_wall = SystemTime::now().duration_since(self.made_wall);
        self.made.elapsed() < valid_for / 2 && by_wall.is_ok_and(|age| age < valid_for / 2)
    }
}

/// The UserSig of a call. The same version is the same `Arc`.
pub(crate) type VersionedUserSig = Arc<Held>;

/// The UserSig of a client, shared by its threads.
#[derive(Default)]
pub(crate) struct UserSigs {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    held: Option<VersionedUserSig>,
    /// How many were made or supplied.
    made: u64,
    /// The thread that makes the next one.
    making: Option<ThreadId>,
    waiting: Waiters,
}

/// Why there is no UserSig.
pub(crate) enum NoUserSig {
    Stopped(WaitEnd),
    Failed(CallbackError),
}

impl UserSigs {
    /// The UserSig to use now. If there is none, one thread makes it, outside the lock; the others wait for it.
    pub(crate) fn current(
        &self,
        credentials: &Credentials,
        app: SdkAppId,
        identifier: &Identifier,
        wait_scope: &WaitScope,
    ) -> Result<VersionedUserSig, NoUserSig> {
        /// Ends the making, with a UserSig or without, also if the callback panics: the others are woken.
        struct Making<'u>(&'u UserSigs);
        impl Drop for Making<'_> {
            fn drop(&mut self) {
                let mut state = self.0.state.lock();
                state.making = None;
                state.waiting.release_all();
            }
        }
        // the clocks are read without the lock, which all calls take
        let held = self.state.lock().held.clone();
        if let Some(held) = held.filter(|held| held.fresh()) {
            return Ok(held);
        }
        wait_scope.check().map_err(NoUserSig::Stopped)?;
        let mut place = WaitPlace::new(&self.state, |state| &mut state.waiting);
        let held = wait_scope.wait_until(|| self.look(&mut place, wait_scope));
        drop(place);
        if let Some(held) = held.map_err(NoUserSig::Stopped)?? {
            return Ok(held);
        }
        let making = Making(self);
        let made = credentials.supply(app, identifier);
        let made = made.inspect_err(|_| {
            // its text is the host's, and may show a secret
            event!(warn, source = credentials.name(), "no UserSig");
        });
        let made = Arc::new(made.map_err(NoUserSig::Failed)?);
        {
            let mut state = self.state.lock();
            state.held = Some(Arc::clone(&made));
            state.made += 1;
        }
        drop(making); // the others have waited long enough
        event!(
            info,
            source = credentials.name(),
            valid_for_s = made.valid_for.map(|time| time.as_secs()),
            "new UserSig"
        );
        Ok(made)
    }

    /// The UserSig, or `None` for the thread that is to make it now.
    fn look(
        &self,
        place: &mut WaitPlace<'_, State>,
        wait_scope: &WaitScope,
    ) -> Polled<Result<Option<VersionedUserSig>, NoUserSig>> {
        let mut state = self.state.lock();
        if let Some(held) = state.held.as_ref().filter(|held| held.fresh()) {
            return Polled::Ready(Ok(Some(Arc::clone(held))));
        }
        let this = thread::current().id();
        match state.making {
            // the wait has not seen it: a callback may take long, and nothing would end it
            None if wait_scope.has_cancelled_token() => {
                Polled::Ready(Err(NoUserSig::Stopped(WaitEnd::Cancelled)))
            }
            None => {
                state.making = Some(this);
                Polled::Ready(Ok(None))
            }
            Some(maker) if maker == this => {
                let loops = "a credential callback called the client that it supplies: use another client there";
                Polled::Ready(Err(NoUserSig::Failed(loops.into())))
            }
            Some(_) => {
                place.register(&mut state);
                Polled::Pending
            }
        }
    }

    /// The service says that `old` expired. Returns whether another can be made. Of many threads whose UserSig expired, one
    /// makes the next.
    pub(crate) fn expired(&self, old: &VersionedUserSig, credentials: &Credentials) -> bool {
        let is_renewable = !matches!(credentials.0, Source::Ready(_));
        if is_renewable {
            let held = &mut self.state.lock().held;
            held.take_if(|held| Arc::ptr_eq(held, old));
        }
        event!(
            info,
            source = credentials.name(),
            is_renewable,
            "UserSig expired"
        );
        is_renewable
    }

    /// How many were made or supplied.
    pub(crate) fn made(&self) -> u64 {
        self.state.lock().made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use crate::wait::{CancelToken, HostPoll, Interrupt, deadline_after};

    fn app() -> SdkAppId {
        SdkAppId::new(1_400_000_000).unwrap()
    }

    fn ask(usersigs: &UserSigs, credentials: &Credentials) -> Result<VersionedUserSig, NoUserSig> {
        let identifier = Identifier::new("administrator").unwrap();
        let wait_scope = WaitScope::until(deadline_after(Duration::MAX));
        usersigs.current(credentials, app(), &identifier, &wait_scope)
    }

    /// A client one of whose threads makes a UserSig.
    fn making() -> Arc<UserSigs> {
        let usersigs = Arc::new(UserSigs::default());
        let maker = thread::spawn(|| {}).thread().id();
        usersigs.state.lock().making = Some(maker);
        usersigs
    }

    fn current(usersigs: &UserSigs, credentials: &Credentials) -> VersionedUserSig {
        match ask(usersigs, credentials) {
            Ok(usersig) => usersig,
            Err(_) => panic!("no UserSig"),
        }
    }

    fn change_held(usersigs: &UserSigs, change: impl FnOnce(&mut Held)) {
        let mut state = usersigs.state.lock();
        change(Arc::get_mut(state.held.as_mut().unwrap()).unwrap());
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
        let usersigs = UserSigs::default();
        let first = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| current(&usersigs, &credentials).usersig.expose().to_owned())
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(first, ["s1"; 16]);
        let old = current(&usersigs, &credentials);
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
        let usersigs = UserSigs::default();
        let long = counting(&calls, Some(Duration::from_secs(3600)));
        assert_eq!(current(&usersigs, &long).usersig.expose(), "s1");
        assert_eq!(current(&usersigs, &long).usersig.expose(), "s1");
        let over = Duration::from_secs(1801);
        change_held(&usersigs, |held| held.made_wall -= over);
        assert_eq!(current(&usersigs, &long).usersig.expose(), "s2");
    }

    #[test]
    fn a_wall_clock_that_went_back_makes_a_new_usersig() {
        let calls = Arc::new(AtomicU32::new(0));
        let usersigs = UserSigs::default();
        let long = counting(&calls, Some(Duration::from_secs(3600)));
        current(&usersigs, &long);
        change_held(&usersigs, |held| held.made_wall += Duration::from_secs(100));
        assert_eq!(current(&usersigs, &long).usersig.expose(), "s2");
    }

    #[test]
    fn a_ready_usersig_cannot_be_renewed() {
        let credentials = Credentials::from(UserSig::new("ready").unwrap());
        let usersigs = UserSigs::default();
        let ready = current(&usersigs, &credentials);
        assert!(!usersigs.expired(&ready, &credentials));
        assert_eq!(current(&usersigs, &credentials).usersig.expose(), "ready");
    }

    #[test]
    fn after_a_callback_that_panics_the_next_caller_asks_it_again() {
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
        let usersigs = UserSigs::default();
        let panicked = thread::scope(|scope| {
            let first = scope.spawn(|| drop(current(&usersigs, &credentials)));
            first.join().is_err()
        });
        assert!(panicked);
        assert_eq!(current(&usersigs, &credentials).usersig.expose(), "second");
    }

    #[test]
    fn a_call_whose_time_is_up_while_another_makes_the_usersig_leaves_no_trace() {
        let usersigs = making();
        let identifier = Identifier::new("administrator").unwrap();
        let wait_scope = WaitScope::until(deadline_after(Duration::from_millis(5)));
        let never_asked = Credentials::callback(|| Err("asked".into()));
        let ended = usersigs.current(&never_asked, app(), &identifier, &wait_scope);
        assert!(matches!(ended, Err(NoUserSig::Stopped(WaitEnd::TimedOut))));
        assert_eq!(usersigs.state.lock().waiting.len(), 0);
    }

    #[test]
    fn a_call_that_is_cancelled_before_the_maker_fails_does_not_ask_the_callback() {
        let usersigs = making();
        let token = CancelToken::new();
        let (in_poll, cancel) = (Arc::clone(&usersigs), token.clone());
        // on the thread that waits, between its looks
        let interrupt = Interrupt::new(move || {
            cancel.cancel();
            let mut state = in_poll.state.lock();
            state.making = None;
            state.waiting.release_all();
            false
        });
        let mut wait_scope = WaitScope::until(deadline_after(Duration::MAX));
        wait_scope.cancel = Some(token);
        wait_scope.host_poll = Some(HostPoll::new(&interrupt));
        let identifier = Identifier::new("administrator").unwrap();
        let never_asked = Credentials::callback(|| Err("asked".into()));
        let ended = usersigs.current(&never_asked, app(), &identifier, &wait_scope);
        assert!(matches!(ended, Err(NoUserSig::Stopped(WaitEnd::Cancelled))));
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
    fn a_callback_that_calls_its_own_client_gets_an_error_and_does_not_wait_for_itself() {
        let usersigs = Arc::new(UserSigs::default());
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
}
