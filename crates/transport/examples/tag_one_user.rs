//! Tags one user: the example of the README, which a test holds to be this very text from the first `use` on.

use imtag_transport::{AddTags, Client, SecretKey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = SecretKey::from_env("IMTAG_SECRET_KEY")?;
    let client = Client::builder(1400000000, "administrator", key)
        .endpoint(std::env::var("IMTAG_ENDPOINT")?) // for the real service: .region(Region::Singapore)
        .build()?;
    let outcome = client.add_tag(&AddTags::new([("xiaojun012", ["vip", "beijing"])])?)?;
    println!("{} users tagged", outcome.accounts);
    Ok(())
}
