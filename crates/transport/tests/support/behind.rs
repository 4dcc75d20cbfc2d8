//! A service behind an egress proxy, and clients that know it by the proxy alone.

use std::io::Write;

use imtag_emulator::Emulator;
use imtag_transport::{Client, ClientBuilder};
use tempfile::NamedTempFile;

use super::proxy::{EgressProxy, Kind};
use super::{LONG, ONE_ATTEMPT, builder, ca_file, tls_emulator};

pub(crate) const SERVICE: &str = "https://adminapisgp.im.qcloud.com";
pub(crate) const HOST: &str = "adminapisgp.im.qcloud.com:443";

/// No password has less than this in common with a text.
pub(crate) const PASSWORD: &str = "hush:h@sh/";
pub(crate) const LOGIN: &str = "corp%5Cme:hush%3Ah%40sh%2F@";
pub(crate) const USER: &str = "corp\\me";

/// A service behind a proxy, and a builder that trusts both.
pub(crate) fn behind(kind: Kind, login: Option<(&str, &str)>) -> (Emulator, EgressProxy, Setup) {
    let emulator = tls_emulator();
    let proxy = EgressProxy::start(kind, login);
    proxy.leads(HOST, emulator.address());
    let mut ca = ca_file(&emulator);
    ca.write_all(proxy.ca_pem.as_bytes()).unwrap();
    (emulator, proxy, Setup { ca })
}

pub(crate) struct Setup {
    ca: NamedTempFile,
}

impl Setup {
    /// A client that looks nothing up, as its proxy does.
    pub(crate) fn builder(&self, proxy: &str) -> ClientBuilder {
        let builder = builder(SERVICE).ca_file(self.ca.path()).timeout(LONG);
        let look_up = |host: &str, _: u16| panic!("{host} is looked up");
        builder.proxy(proxy).resolver(look_up)
    }

    pub(crate) fn once(&self, proxy: &str) -> Client {
        self.builder(proxy).retry(ONE_ATTEMPT).build().unwrap()
    }
}
