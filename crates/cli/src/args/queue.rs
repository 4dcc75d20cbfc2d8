//! The flags of `imtag queue`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// The folder of the daemon [default: STATE_DIRECTORY, or imtag in XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) action: QueueAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueAction {
    /// Say how much waits, and how much has failed
    Status,
    /// Print the failures and then the changes that wait, as NDJSON that a post and an import take
    Export {
        /// Only the failures
        #[arg(long, conflicts_with = "changes")]
        failures: bool,
        /// Only the changes that wait
        #[arg(long)]
        changes: bool,
    },
    /// Delete changes that wait: those for which all is true that is given
    Purge(PurgeArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct PurgeArgs {
    /// Those of this user
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Those with this tag, perhaps among others, which are not sent either
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Those that have waited so long; 0 means all
    #[arg(long, value_name = "SECONDS", value_parser = seconds_or_none)]
    pub(crate) older_than: Option<Duration>,
}

/// Seconds, or 0.
fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => super::seconds::seconds(text),
    }
}
