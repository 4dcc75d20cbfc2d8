//! The progress bar: on standard error, and only where that is a terminal.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use imtag_transport::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::journal::Settled;

const TEMPLATE: &str = "{bar:30} {pos}/{len} users, {msg}, {eta} left";

/// More often than this nobody can read it.
const EVERY: Duration = Duration::from_millis(200);

/// A bar of users.
pub(crate) struct Bar {
    bar: ProgressBar,
    calls_per_second: u32,
    /// When it was shown last, and how many requests had been sent then.
    last: Cell<(Instant, u64)>,
}

impl Bar {
    /// A bar of this many users, of whom some may be settled already.
    pub(crate) fn new(users: u64, settled: &Settled, calls_per_second: u32) -> Bar {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(users), target);
        let bar = match ProgressStyle::with_template(TEMPLATE) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        let bar = bar.with_position(settled.done() + settled.failed());
        bar.reset_eta();
        Bar {
            bar,
            calls_per_second,
            last: Cell::new((Instant::now(), 0)),
        }
    }

    /// Shows how far the import is, if it is time to.
    pub(crate) fn show(&self, settled: &Settled, progress: &Progress) {
        let (last, sent) = self.last.get();
        let passed = last.elapsed();
        if self.bar.is_hidden() || passed < EVERY {
            return;
        }
        self.last.set((Instant::now(), progress.sent));
        #[allow(clippy::cast_precision_loss)] // of a fifth of a second
        let calls = (progress.sent - sent) as f64 / passed.as_secs_f64();
        let share = 100.0 * calls / f64::from(self.calls_per_second);
        let message = format!(
            "{calls:.0} calls/s ({share:.0} % of the quota), {} failed",
            settled.failed()
        );
        self.bar.set_message(message);
        self.bar.set_position(settled.done() + settled.failed());
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
