//! The server of the calls that are measured: it always gives the same answer, and costs the same in front of each client.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::Error;
use crate::bench::http::{answer_all, listen, serve};

const ANSWER: &str = "{\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\",\"ErrorCode\":0,\
    \"RequestId\":\"Id-0123456789abcdef0123456789abcdef-O-Seq-1234567890123456\"}";

const CA_FILE: &str = "ca.pem";

/// The endpoint of each protocol.
pub(super) struct Server {
    pub(super) plain: String,
    pub(super) tls: String,
    folder: TempDir,
}

impl Server {
    pub(super) fn start() -> Result<Server, Error> {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(CA_FILE), certified.cert.pem())?;
        let key = certified.signing_key.serialize_der();
        let key = key.try_into().map_err(|why: &str| why.to_owned())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)?;
        let config = Arc::new(config);
        let answer = |_: &[u8]| Ok(ANSWER.to_owned());
        let tls = listen(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config))?;
            answer_all(StreamOwned::new(connection, stream), answer)
        })?;
        Ok(Server {
            plain: serve(answer)?,
            tls: format!("https://localhost:{tls}"),
            folder,
        })
    }

    /// The certificate that clients trust.
    pub(super) fn ca_file(&self) -> String {
        self.folder.path().join(CA_FILE).display().to_string()
    }
}
