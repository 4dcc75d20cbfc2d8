//! The demo: an import against the service's emulator in this process, over a real TLS socket, so that it needs no
//! account and no setting. The client is that of every other import; only the address and the CA differ.

use std::io::Write;

use imtag_core::Limits;
use imtag_emulator::Emulator;
use imtag_transport::Client;
use tempfile::{NamedTempFile, TempDir};

use super::state::files::Files;
use crate::exit::CommandError;
use crate::output::count;

/// A running emulator, and a client of it. It stops, and its CA file goes, when this is dropped.
pub(crate) struct Demo {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    _emulator: Emulator,
    _ca_file: NamedTempFile,
    folder: TempDir,
}

impl Demo {
    pub(crate) fn start() -> Result<Demo, CommandError> {
        let emulator = Emulator::builder()
            .tls(true)
            .calls_per_second(Limits::DOCUMENTED.calls_per_second)
            .start()
            .map_err(|error| CommandError::emulator(&error))?;
        let written = NamedTempFile::new().and_then(|mut file| {
            file.write_all(emulator.ca_pem().unwrap_or_default().as_bytes())?;
            Ok(file)
        });
        let ca_file = written.map_err(CommandError::machine("cannot write a temporary CA file"))?;
        let folder = tempfile::tempdir();
        let folder = folder.map_err(CommandError::machine("cannot make a temporary folder"))?;
        let client = Client::builder(
            emulator.sdkappid().get(),
            emulator.identifier(),
            emulator.secret_key().clone(),
        )
        .endpoint(emulator.endpoint())
        .ca_file(ca_file.path())
        .build()
        .map_err(|error| CommandError::emulator(&error))?;
        Ok(Demo {
            client,
            endpoint: emulator.endpoint(),
            _emulator: emulator,
            _ca_file: ca_file,
            folder,
        })
    }

    /// Where a daemon keeps its data, for as long as the demo lasts.
    #[cfg(feature = "serve")]
    pub(crate) fn data_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// What the import keeps, for as long as the demo lasts.
    pub(crate) fn files(&self) -> Files {
        Files::within(self.folder.path())
    }

    /// Printed before the import, so that it is not taken for an import into a real app.
    pub(crate) fn introduction(&self) -> String {
        let Demo {
            endpoint, client, ..
        } = self;
        format!(
            "demo      an emulator of the service at {endpoint}: TLS, UserSig checked, {} a second",
            count(f64::from(client.calls_per_second()), "call", "calls")
        )
    }
}
