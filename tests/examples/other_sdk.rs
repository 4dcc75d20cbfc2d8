//! The program in Rust of docs/other-sdks.md.

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = Certificate::from_pem(&std::fs::read("emulator/ca.pem")?)?;
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca]));
    let agent = Agent::new_with_config(Agent::config_builder().tls_config(tls.build()).build());
    let body = r#"{"UserTags":[{"To_Account":"rust","Tags":["vip"]}]}"#;
    let answer = agent.post(std::env::var("URL")?).send(body)?;
    println!("{}", answer.into_body().read_to_string()?);
    Ok(())
}
