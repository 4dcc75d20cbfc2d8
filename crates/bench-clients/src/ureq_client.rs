//! ureq: what people use who want neither to write a socket nor a runtime.

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::client::{Body, Client, Error, TARGET, User, check};

/// It has no timeout, as it has none by default.
#[derive(Clone)]
pub(crate) struct Ureq {
    agent: ureq::Agent,
    url: String,
}

impl Ureq {
    pub(crate) fn new(endpoint: &str, ca_file: &str) -> Result<Ureq, Error> {
        let ca = Certificate::from_pem(&std::fs::read(ca_file)?)?;
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca]));
        let config = ureq::Agent::config_builder().tls_config(tls.build());
        // three by default: more threads than that would open a connection for most calls
        let config = config.max_idle_connections_per_host(64);
        let config = config.max_idle_connections(64);
        Ok(Ureq {
            agent: config.build().new_agent(),
            url: format!("{endpoint}{TARGET}"),
        })
    }
}

impl Client for Ureq {
    fn call(&mut self, users: &[User]) -> Result<(), Error> {
        let request = self.agent.post(&self.url);
        let request = request.header("Content-Type", "application/json");
        let mut answer = request.send(&serde_json::to_vec(&Body { users })?)?;
        check(&answer.body_mut().read_to_vec()?)
    }

    fn share(&self) -> Result<Box<dyn Client>, Error> {
        Ok(Box::new(self.clone()))
    }
}
