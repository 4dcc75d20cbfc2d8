//! The folder of a daemon's data: which it is, and why it cannot be used.

use std::env;
use std::path::PathBuf;

use imtag_serve::DataError;

use crate::exit::{CommandError, with_causes};

/// As systemd has it, or else where programs of a user keep what they need again.
pub(super) fn default_folder() -> Result<PathBuf, CommandError> {
    if let Some(folder) = of_init_system() {
        return Ok(folder);
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let of_home = || Some(PathBuf::from(set("HOME")?).join(".local/state"));
    let state = state.or_else(of_home).ok_or_else(|| {
        CommandError::usage("HOME is not set: say where the daemon keeps its data (--data FOLDER)")
    })?;
    Ok(state.join("imtag"))
}

/// That of systemd; of several, the first.
pub(super) fn of_init_system() -> Option<PathBuf> {
    let folders = set("STATE_DIRECTORY")?;
    env::split_paths(&folders).next()
}

fn set(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|it| !it.is_empty())
}

pub(super) fn unusable(error: DataError) -> CommandError {
    let flag = if error.is_in_use() {
        " (--data); one that is ending gives it up within its --grace"
    } else {
        ""
    };
    CommandError::file(error.is_denied(), with_causes(&error) + flag)
}
