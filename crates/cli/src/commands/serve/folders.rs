//! The folders of a daemon: of what lets callers in over TCP, and of changes that last. One folder is for both where it is
//! given, or where the init system or TCP brings one. A demo's changes go with it, as its service does.

use std::path::{Path, PathBuf};

use imtag_core::SdkAppId;
use imtag_serve::{Data, DataError, Queue, QueueLimits};

use super::listeners::{ENDS_WITHIN, once_free};
use crate::args::ServeArgs;
use crate::commands::data_folder::{default_folder, of_init_system, unusable};
use crate::exit::CommandError;
use crate::output::note;

/// Those of this daemon; locked.
pub(super) struct Folders {
    kept: Option<Data>,
    of_demo: Option<Data>,
}

impl Folders {
    /// `demo`: where the changes of a demo go.
    pub(super) fn new(
        arguments: &ServeArgs,
        is_tcp: bool,
        demo: Option<PathBuf>,
    ) -> Result<Folders, CommandError> {
        let kept = match &arguments.data {
            Some(folder) => Some(folder.clone()),
            None if is_tcp => Some(default_folder()?),
            None if demo.is_none() => of_init_system(),
            None => None,
        };
        let of_demo = demo.filter(|_| arguments.data.is_none());
        let open = |folder: PathBuf| {
            let within = |time| once_free(time, || Data::open(&folder), DataError::is_in_use);
            let data = within(ENDS_WITHIN).or_else(|error| {
                if !error.is_in_use() {
                    return Err(error);
                }
                // one that ends has a time of grace, as this one has, for what is under way of its queue
                let (folder, grace) = (folder.display(), arguments.grace.as_secs());
                note(format_args!("another daemon uses the data in {folder}: waiting for its end, {grace} s at most"));
                within(arguments.grace)
            });
            data.map_err(unusable)
        };
        Ok(Folders {
            kept: kept.map(open).transpose()?,
            of_demo: of_demo.map(open).transpose()?,
        })
    }

    /// That of the local key and the authority; there is one where there is TCP.
    pub(super) fn of_entry(&self) -> Option<&Data> {
        self.kept.as_ref()
    }

    /// Opens the queue, where there is a folder for it.
    pub(super) fn queue(
        &self,
        arguments: &ServeArgs,
        app: SdkAppId,
    ) -> Result<Option<Queue>, CommandError> {
        let given = [
            ("--queue-changes", arguments.queue_changes),
            ("--queue-bytes", arguments.queue_bytes),
            ("--queue-min-free", arguments.queue_min_free),
        ];
        let Some(data) = self.of_queue() else {
            // it would be ignored, and somebody would rely on it
            let ignored = given.iter().find(|(_, value)| value.is_some());
            return ignored.map_or(Ok(None), |(flag, _)| {
                Err(CommandError::usage(format_args!(
                    "{flag} is for changes that last: give --data FOLDER too"
                )))
            });
        };
        let mut limits = QueueLimits::default();
        let [changes, bytes, min_free] = given.map(|(_, value)| value);
        limits.changes = changes.unwrap_or(limits.changes);
        limits.bytes = bytes.unwrap_or(limits.bytes);
        limits.min_free = min_free.unwrap_or(limits.min_free);
        data.queue(app, limits).map(Some).map_err(unusable)
    }

    /// Where that is.
    pub(super) fn queue_folder(&self) -> Option<&Path> {
        self.of_queue().map(Data::path)
    }

    fn of_queue(&self) -> Option<&Data> {
        self.of_demo.as_ref().or(self.kept.as_ref())
    }
}
