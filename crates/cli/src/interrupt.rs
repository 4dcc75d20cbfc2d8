//! Ctrl-C (SIGINT) and SIGTERM: what they do depends on what the command is busy with.
//!
//!     Reading    ends the process at once: nothing was sent
//!     Calling    cancels the one call, which then says what is known of its effect
//!     Importing  the first stops sending, and what is under way is waited for; the second cancels that too
//!     Serving    ends the emulator, which is how it is meant to end

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use imtag_transport::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::CommandError;
use crate::output::{Output, note};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    Reading,
    Calling,
    Importing,
    #[cfg(feature = "emulator")]
    Serving,
}

/// The signals of this process, for all its threads.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    told: Condvar,
    token: CancelToken,
}

struct State {
    busy: Busy,
    signals: usize,
}

impl Interrupt {
    /// From here on the signals are ours. The command is reading until it says otherwise.
    pub(crate) fn install(output: Output) -> Result<Interrupt, CommandError> {
        let denied = || CommandError::machine("cannot listen for Ctrl-C");
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(denied())?;
        let interrupt = Interrupt::new();
        let handler = interrupt.clone();
        let listen = move || {
            for _ in &mut signals {
                if handler.signal() {
                    end(output);
                }
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)
            .map_err(denied())?;
        Ok(interrupt)
    }

    fn new() -> Interrupt {
        Interrupt(Arc::new(Shared {
            state: Mutex::new(State {
                busy: Busy::Reading,
                signals: 0,
            }),
            told: Condvar::new(),
            token: CancelToken::new(),
        }))
    }

    pub(crate) fn busy_with(&self, busy: Busy) {
        self.state().busy = busy;
    }

    /// Whether a signal has come.
    pub(crate) fn came(&self) -> bool {
        self.state().signals > 0
    }

    /// Cancels the calls that it is given to, when the signals say so.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.0.token
    }

    /// Waits for a signal.
    #[cfg(feature = "emulator")]
    pub(crate) fn wait(&self) {
        let waited = self
            .0
            .told
            .wait_while(self.state(), |state| state.signals == 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes a signal; says whether the process is to end at once.
    fn signal(&self) -> bool {
        let mut state = self.state();
        state.signals += 1;
        let (busy, signals) = (state.busy, state.signals);
        self.0.told.notify_all();
        drop(state);
        match (busy, signals) {
            (Busy::Reading, _) => return true,
            (Busy::Importing, 1) => note(
                "interrupted: no more is sent, and what is under way is waited for; \
                 press Ctrl-C again to cancel that too",
            ),
            (Busy::Importing | Busy::Calling, _) => self.0.token.cancel(),
            #[cfg(feature = "emulator")]
            (Busy::Serving, _) => {}
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(output: Output) -> ! {
    let exit = crate::finish(output, Err(CommandError::Interrupted));
    std::process::exit(exit.code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_reading_a_signal_ends_the_process() {
        assert!(Interrupt::new().signal());
    }

    #[test]
    fn while_calling_a_signal_cancels() {
        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Calling);
        assert!(!interrupt.signal());
        assert!(interrupt.token().is_cancelled());
    }

    #[test]
    fn while_importing_the_first_signal_stops_and_the_second_cancels() {
        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Importing);
        assert!(!interrupt.came());
        assert!(!interrupt.signal());
        assert!(interrupt.came() && !interrupt.token().is_cancelled());
        assert!(!interrupt.signal());
        assert!(interrupt.token().is_cancelled());
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn while_serving_a_signal_wakes_who_waits() {
        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Serving);
        let other = interrupt.clone();
        let waiting = thread::spawn(move || other.wait());
        assert!(!interrupt.signal());
        waiting.join().unwrap();
    }
}
