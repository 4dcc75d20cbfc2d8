//! Ctrl-C (SIGINT), SIGTERM and SIGHUP: what they do depends on what the command is busy with.
//!
//! ```text
//!            ┌─> Calling ───┐      Reading    a signal ends the process at once: nothing was sent
//! Reading ───┼─> Importing ─┼─>    Calling    it cancels the one call, which then says what is known of its effect
//!            │              │      Importing  the first stops sending, and waits for what is under way;
//!            │   Reporting <┘                 the second cancels that too
//!            │                     Reporting  it ends the process at once: a reader that does not read cannot hold it
//!            └─> Serving           Serving    it ends the emulator, which is how an emulator ends
//! ```
//!
//! SIGHUP is left alone where it is ignored already, as `nohup` does.

use std::sync::Arc;
use std::thread;

use imtag_transport::CancelToken;
use parking_lot::{Condvar, Mutex, MutexGuard};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::exit::{CommandError, Exit};
use crate::output::{Output, note};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    Reading,
    Calling,
    Importing,
    Reporting,
    #[cfg(feature = "emulator")]
    Serving,
}

/// The signals of this process, for all its threads.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    drain: CancelToken,
    cancel: CancelToken,
}

struct State {
    busy: Busy,
    signals: usize,
}

impl Interrupt {
    /// Takes the signals from here on. The command is reading until it says otherwise.
    pub(crate) fn install(output: Output) -> Result<Interrupt, CommandError> {
        let denied = || CommandError::machine("cannot listen for Ctrl-C");
        let ours = [SIGINT, SIGTERM].into_iter();
        let ours = ours.chain((!ignores_hang_up()).then_some(SIGHUP));
        let mut signals = Signals::new(ours).map_err(denied())?;
        // so that a file that may not grow any more is an error with a remedy, and not the end of the process
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(denied())?;
        let interrupt = Interrupt::new();
        let handler = interrupt.clone();
        let listen = move || {
            for _ in &mut signals {
                match handler.signal() {
                    Next::GoOn => {}
                    // held until the process is gone, so that the command cannot go on to send
                    Next::EndReading(_held) => end(output),
                    Next::EndReporting => std::process::exit(Exit::Interrupted.code().into()),
                }
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)
            .map_err(denied())?;
        Ok(interrupt)
    }

    pub(crate) fn new() -> Interrupt {
        Interrupt(Arc::new(Shared {
            state: Mutex::new(State {
                busy: Busy::Reading,
                signals: 0,
            }),
            changed: Condvar::new(),
            drain: CancelToken::new(),
            cancel: CancelToken::new(),
        }))
    }

    pub(crate) fn busy_with(&self, busy: Busy) {
        self.state().busy = busy;
    }

    /// True if a signal has come.
    pub(crate) fn came(&self) -> bool {
        self.state().signals > 0
    }

    /// Cancels the calls that have it: at the first signal while calling, at the second while importing.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.0.cancel
    }

    /// Stops the sending of what has it: at the first signal, or where an import cannot go on.
    pub(crate) fn drain(&self) -> &CancelToken {
        &self.0.drain
    }

    /// Waits for a signal.
    #[cfg(feature = "emulator")]
    pub(crate) fn wait(&self) {
        let is_quiet = |state: &mut State| state.signals == 0;
        self.0.changed.wait_while(&mut self.state(), is_quiet);
    }

    /// Takes a signal.
    fn signal(&self) -> Next<'_> {
        let mut state = self.state();
        state.signals += 1;
        self.0.changed.notify_all();
        self.0.drain.cancel();
        match (state.busy, state.signals) {
            (Busy::Reading, _) => return Next::EndReading(state),
            (Busy::Reporting, _) => return Next::EndReporting,
            (Busy::Importing, 1) => note(
                "interrupted: no more is sent, and what is under way is waited for; \
                 press Ctrl-C again to cancel that too",
            ),
            (Busy::Importing | Busy::Calling, _) => self.0.cancel.cancel(),
            #[cfg(feature = "emulator")]
            (Busy::Serving, _) => {}
        }
        Next::GoOn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

/// What follows from a signal.
enum Next<'i> {
    GoOn,
    /// Carries the locked state, as a command that goes on from reading changes it.
    EndReading(MutexGuard<'i, State>),
    EndReporting,
}

/// True if SIGHUP, which is number 1, was ignored when the process began. Linux tells it.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

fn end(output: Output) -> ! {
    let interrupted = CommandError::new(Exit::Interrupted, "interrupted; nothing was sent");
    let exit = output.finish(Err(interrupted));
    std::process::exit(exit.code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_the_process_stops_sending_or_cancels() {
        let stopped = |interrupt: &Interrupt| {
            assert!(interrupt.came());
            let tokens = [interrupt.drain(), interrupt.token()];
            tokens.map(CancelToken::is_cancelled)
        };
        let interrupt = Interrupt::new();
        assert!(!interrupt.came());
        assert!(matches!(interrupt.signal(), Next::EndReading(_)));
        interrupt.busy_with(Busy::Reporting);
        assert!(matches!(interrupt.signal(), Next::EndReporting));

        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Calling);
        assert!(matches!(interrupt.signal(), Next::GoOn));
        assert_eq!(stopped(&interrupt), [true, true]);

        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Importing);
        for expected in [[true, false], [true, true]] {
            assert!(matches!(interrupt.signal(), Next::GoOn));
            assert_eq!(stopped(&interrupt), expected);
        }
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn while_serving_a_signal_ends_the_wait() {
        let interrupt = Interrupt::new();
        interrupt.busy_with(Busy::Serving);
        let other = interrupt.clone();
        let waiting = thread::spawn(move || other.wait());
        assert!(matches!(interrupt.signal(), Next::GoOn));
        waiting.join().unwrap();
    }
}
