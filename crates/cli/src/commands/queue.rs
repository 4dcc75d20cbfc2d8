//! `imtag queue`: what waits in the folder of a daemon that does not run.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use imtag_core::{ChangeOperation, ChangeRequest};
use imtag_serve::{
    ChangeId, Data, DataError, KeptFilesError, PurgeFilter, QueuePurged, QueueRefused, Stored,
    write_failure,
};
use serde::Serialize;

use super::context::Context;
use super::data_folder::{default_folder, unusable};
use crate::args::{PurgeArgs, QueueAction, QueueArgs};
use crate::exit::{CommandError, Exit};
use crate::output::{Output, Show, count, note, stderr};

/// The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Status {
    /// Changes that wait.
    changes: u64,
    /// None where none waits.
    oldest_seconds: Option<u64>,
    failures: u64,
    bytes: u64,
    file_bytes: u64,
    /// By POST /v1/pause.
    paused: bool,
}

/// The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Purged {
    deleted: u64,
}

pub(super) fn run(context: &Context<'_>, arguments: &QueueArgs) -> Result<Exit, CommandError> {
    let folder = match &arguments.data {
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    let data = Data::existing(&folder).map_err(|error| busy(error, &folder))?;
    let mut stored = data.stored().map_err(unusable)?;
    let output = context.output;
    match &arguments.action {
        QueueAction::Status => output.show(&Status::new(&stored))?,
        QueueAction::Export { failures, changes } => {
            let both = !failures && !changes;
            export(output, &stored, *failures || both, *changes || both)?;
        }
        QueueAction::Purge(arguments) => {
            let mut progress = Progress::new(stored.status().changes);
            let purged = stored.purge(filter(arguments), |purged| progress.tell(purged));
            stderr::clear();
            let purged = purged.map_err(refused)?;
            let deleted = purged.deleted;
            output.show(&Purged { deleted })?;
        }
    }
    Ok(Exit::Done)
}

/// A daemon can be asked for the same.
fn busy(error: DataError, folder: &Path) -> CommandError {
    if matches!(error, DataError::Files(KeptFilesError::InUse { .. })) {
        let folder = folder.display();
        let why = format_args!(
            "a daemon runs on {folder}: ask it (GET /metrics and /v1/failures, DELETE /v1/changes), or stop it first"
        );
        return CommandError::new(Exit::Unavailable, why);
    }
    unusable(error)
}

fn refused(error: QueueRefused) -> CommandError {
    CommandError::new(Exit::Unavailable, error)
}

fn filter(arguments: &PurgeArgs) -> PurgeFilter {
    let mut filter = PurgeFilter::default();
    filter.account.clone_from(&arguments.account);
    filter.tag.clone_from(&arguments.tag);
    filter.older_than = arguments.older_than;
    filter
}

/// How far a purge is: a line that changes on a terminal, else one every ten seconds.
struct Progress {
    changes: u64,
    told: Instant,
    on_a_terminal: bool,
}

impl Progress {
    fn new(changes: u64) -> Progress {
        Progress {
            changes,
            told: Instant::now(),
            on_a_terminal: stderr::is_possible(),
        }
    }

    fn tell(&mut self, purged: QueuePurged) {
        let every = Duration::from_secs(if self.on_a_terminal { 1 } else { 10 });
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let all = count(self.changes, "change", "changes");
        let text = format!(
            "looked at {} of {all}, deleted {}",
            purged.looked_at, purged.deleted
        );
        if self.on_a_terminal {
            stderr::show(text);
        } else {
            note(text);
        }
    }
}

/// Why an export ends early.
enum ExportError {
    Refused(QueueRefused),
    Output(io::Error),
}

impl From<QueueRefused> for ExportError {
    fn from(refused: QueueRefused) -> ExportError {
        ExportError::Refused(refused)
    }
}

fn export(
    output: Output,
    stored: &Stored,
    failures: bool,
    changes: bool,
) -> Result<(), CommandError> {
    let mut of_store = Ok(());
    output.write(|out| {
        let mut text = Vec::new();
        let mut write = |text: &mut Vec<u8>| {
            let written = out.write_all(text).map_err(ExportError::Output);
            text.clear();
            written
        };
        let mut written = Ok(());
        if failures {
            written = stored.failures(|failure| {
                write_failure(&failure, &mut text);
                write(&mut text)
            });
        }
        if changes && written.is_ok() {
            written = stored.export(|id, change| {
                imtag_rows::write_line(&Waiting::new(id, &change), &mut text);
                write(&mut text)
            });
        }
        match written {
            Ok(()) => Ok(()),
            Err(ExportError::Output(error)) => Err(error),
            Err(ExportError::Refused(error)) => {
                of_store = Err(refused(error));
                Ok(())
            }
        }
    })?;
    of_store
}

/// A change that waits, as a row.
#[derive(Serialize)]
struct Waiting<'c> {
    id: String,
    account: &'c str,
    op: ChangeOperation,
    tags: Vec<&'c str>,
}

impl Waiting<'_> {
    fn new(id: ChangeId, change: &ChangeRequest) -> Waiting<'_> {
        Waiting {
            id: id.to_string(),
            account: change.account(),
            op: change.operation(),
            tags: change.tags().collect(),
        }
    }
}

impl Status {
    fn new(stored: &Stored) -> Status {
        let status = stored.status();
        Status {
            changes: status.changes,
            oldest_seconds: status.oldest.map(|it| it.as_secs()),
            failures: status.failures,
            bytes: status.bytes,
            file_bytes: status.file_bytes,
            paused: !status.pauses.is_empty(),
        }
    }
}

impl Show for Status {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let changes = count(self.changes, "change waits", "changes wait");
        match self.oldest_seconds {
            Some(oldest) => writeln!(
                out,
                "waiting   {changes}, the oldest for {}",
                count(oldest, "second", "seconds")
            )?,
            None => writeln!(out, "waiting   {changes}")?,
        }
        let failures = count(self.failures, "failure", "failures");
        writeln!(out, "failed    {failures}, kept until deleted")?;
        writeln!(
            out,
            "bytes     {} in {} of files",
            self.bytes, self.file_bytes
        )?;
        if self.paused {
            writeln!(out, "paused    until POST /v1/resume")?;
        }
        Ok(())
    }
}

impl Show for Purged {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let changes = count(self.deleted, "change that waited", "changes that waited");
        writeln!(out, "deleted {changes}")
    }

    fn tells_of_a_change(&self) -> bool {
        true
    }
}
