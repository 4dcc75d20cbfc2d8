//! What the daemon before this one left: for how long its requests may still arrive. Changes are held back until then.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use imtag_serve::{Daemon, Data, Listener, Predecessor, Successor, Times};

use crate::output::note_warning;

/// What this one leaves to the next.
pub(super) struct Place(Arc<Mutex<Option<Successor>>>);

/// The file of it: in the folder of what outlasts a daemon, or beside the socket that the daemon makes.
pub(super) fn file(data: Option<&Data>, own: &[Listener]) -> Option<PathBuf> {
    data.map(Data::late_file).or_else(|| {
        let mut file = own.iter().find_map(Listener::path)?.into_os_string();
        file.push(".");
        file.push(Data::LATE);
        Some(file.into())
    })
}

/// Takes the place of the daemon before, or waits for its end while this one runs.
pub(super) fn succeed(daemon: &Daemon, file: Option<PathBuf>) -> Place {
    let window = Times::default().late_window;
    let place = Arc::new(Mutex::new(None));
    let unknown = |why: std::fmt::Arguments<'_>| {
        daemon.hold_changes(window);
        let seconds = window.as_secs();
        note_warning(format_args!(
            "{why}: requests of a daemon before this one may arrive late, so changes wait for {seconds} s after each start"
        ));
    };
    let Some(file) = file else {
        unknown(format_args!(
            "there is no folder to keep a note in (STATE_DIRECTORY, or --socket)"
        ));
        return Place(place);
    };
    let succeeded = Predecessor::open(&file).and_then(|before| before.succeed(window));
    match succeeded {
        Ok(Ok((successor, left))) => {
            daemon.hold_changes(left);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(successor);
        }
        Ok(Err(before)) => {
            // it answers what is under way
            daemon.hold_changes(Duration::MAX);
            let (its, later) = (daemon.clone(), Arc::clone(&place));
            let waits = move || {
                let succeeded = before.wait_and_succeed(window);
                let (successor, left) =
                    succeeded.map_or((None, window), |(it, left)| (Some(it), left));
                *later.lock().unwrap_or_else(PoisonError::into_inner) = successor;
                its.hold_changes(left);
            };
            if thread::Builder::new().spawn(waits).is_err() {
                daemon.hold_changes(window);
            }
        }
        Err(error) => unknown(format_args!(
            "cannot keep a note in {}: {error}",
            file.display()
        )),
    }
    Place(place)
}

impl Place {
    /// Leaves to the next one for how long requests may arrive, once all is over.
    pub(super) fn leave(&self, daemon: &Daemon) {
        let successor = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(successor) = successor {
            // else the next one holds changes back for the whole window, as after a kill
            let _ = successor.leave(daemon.may_arrive_for());
        }
    }
}
