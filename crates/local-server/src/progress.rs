//! Which phase a connection is in, so that each can have its own limit of time.
//!
//! ```text
//! accepted ─▶ Waiting ─ first byte ─▶ FirstHead ─ whole ─▶ Handling ─ answer ─▶ Writing ─ all taken ─▶ Idle
//!                                                             ▲                                          │
//!                                                             └── whole ── Head ◀─ next byte ────────────┘
//! ```
//!
//! The connection's one task changes the phase and looks at it; it is only atomic as the parts share it. Where requests
//! come in a row, the start of the next head may be read together with the one before: then it counts as idle until more
//! of it comes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For the first byte, since it was accepted.
    Waiting,
    FirstHead,
    Head,
    Handling,
    Writing,
    /// Kept after an answer.
    Idle,
}

/// A phase, and a number that tells it from an earlier one of its kind.
pub(crate) type Turn = (u64, Phase);

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The number, and in the lowest three bits the phase.
    turn: AtomicU64,
    /// The whole body has come of the request that is handled.
    pub(crate) body_ended: AtomicBool,
    /// A body was left in part: more of it may be on its way.
    pub(crate) body_left: AtomicBool,
    /// This side has closed in order, after its answer.
    pub(crate) closed: AtomicBool,
}

impl Progress {
    pub(crate) fn turn(&self) -> Turn {
        let turn = self.turn.load(Relaxed);
        let phase = match turn & 7 {
            0 => Phase::Waiting,
            1 => Phase::FirstHead,
            2 => Phase::Head,
            3 => Phase::Handling,
            4 => Phase::Writing,
            _ => Phase::Idle,
        };
        (turn >> 3, phase)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let number = self.turn.load(Relaxed) >> 3;
        self.turn.store((number + 1) << 3 | phase as u64, Relaxed);
    }

    /// Bytes have come.
    pub(crate) fn read(&self) {
        match self.turn().1 {
            Phase::Waiting => self.enter(Phase::FirstHead),
            Phase::Idle => self.enter(Phase::Head),
            _ => {}
        }
    }

    /// Bytes of an answer go out: also later ones of an answer that pauses.
    pub(crate) fn written(&self) {
        if self.turn().1 == Phase::Idle {
            self.enter(Phase::Writing);
        }
    }

    /// All that was to go out has been taken.
    pub(crate) fn flushed(&self) {
        if self.turn().1 == Phase::Writing {
            self.enter(Phase::Idle);
        }
    }
}
