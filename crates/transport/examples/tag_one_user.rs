//! Tags one user: the example of the README, which a test holds to be this very text from the first `use` on.

use imtag_transport::{AddTags, Client};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env()?;
    let outcome = client.add_tag(&AddTags::new([("xiaojun012", ["vip", "beijing"])])?)?;
    println!("{} users tagged", outcome.accounts);
    Ok(())
}
