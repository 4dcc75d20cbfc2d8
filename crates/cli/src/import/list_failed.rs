//! The list of who failed in an import that was killed, without going on with the import.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::state::failed_list;
use super::state::files::Files;
use super::state::store::Store;
use crate::exit::{CommandError, Exit};
use crate::output::{Output, Show, Shown, count};

/// What was listed. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Listed {
    users_failed: u64,
    /// None if no user failed: what was there stays.
    failed_list: Option<PathBuf>,
}

/// Writes the list from the journal. Nothing is sent, and the journal stays as it is.
pub(crate) fn list_failed(files: Files, output: Output) -> Result<Exit, CommandError> {
    let mut store = Store::open_existing(&files.journal)?;
    let users_failed = store.users_listed();
    let written = match users_failed {
        0 => Ok(()),
        _ => failed_list::hold(&files.failed, &mut store)
            .and_then(|mut list| failed_list::write(&mut list, &mut store)),
    };
    store.leave();
    written?;
    output.show(&Listed {
        users_failed,
        failed_list: (users_failed > 0).then(|| files.failed.path.clone()),
    })?;
    Ok(Exit::Done)
}

impl Show for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.failed_list {
            None => writeln!(out, "no user has failed so far: there is nothing to list"),
            Some(list) => {
                let users = count(self.users_failed, "user", "users");
                let list = list.display().to_string();
                writeln!(out, "{} lists the {users} who failed so far", Shown(&list))
            }
        }
    }
}
