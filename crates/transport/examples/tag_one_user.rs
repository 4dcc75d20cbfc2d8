//! Tags one user: the example of the README, which a test holds to be this very text from the first `use` on.

use imtag_transport::{AddTags, Client, SecretKey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = std::fs::read_to_string(std::env::var("IMTAG_SECRET_KEY_FILE")?)?;
    let client = Client::builder(1400000000, "administrator", SecretKey::new(key)?)
        .endpoint(std::env::var("IMTAG_ENDPOINT")?) // for the real service: .region(Region::Singapore)
        .build()?;
    let outcome = client.add_tag(&AddTags::new([("xiaojun012", ["vip", "beijing"])])?)?;
    println!("{} users tagged", outcome.accounts);
    Ok(())
}
