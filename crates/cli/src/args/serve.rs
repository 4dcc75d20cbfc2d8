//! The flags of `imtag serve`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::size::size;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The Unix socket; made anew at each start [default: imtag.sock in XDG_RUNTIME_DIR, or /run/imtag/imtag.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The group that may connect to the socket, by name or number [default: this user's]
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Take calls over TCP, too, from who has the local key or the token; port 0 is a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// HTTPS over TCP, with an authority of its own; needed at other addresses than loopback
    #[arg(long)]
    pub(crate) tls: bool,
    /// A name or IP address by which TCP callers reach it; can be given several times
    #[arg(long = "name", value_name = "HOST")]
    pub(crate) names: Vec<String>,
    /// A file with a token, which lets in who sends Authorization: Bearer TOKEN [env: IMTAG_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<OsString>,
    /// The folder of changes that last, the local key and the authority; made if it is not there
    /// [default: STATE_DIRECTORY; over TCP also imtag in XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// How many changes may wait, with the failures that are kept [default: 10000000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) queue_changes: Option<u64>,
    /// How many bytes these may take, with their posts and keys; failures are kept beyond it [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) queue_bytes: Option<u64>,
    /// How much of the disk changes that last leave free [default: 64M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) queue_min_free: Option<u64>,
    /// How long calls under way may take once it is to end
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = super::seconds::seconds)]
    pub(crate) grace: Duration,
    /// Send to an emulator of the service in this process: no account and no settings needed
    #[cfg(feature = "emulator")]
    #[arg(long)]
    pub(crate) demo: bool,
}
