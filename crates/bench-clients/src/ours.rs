//! This library.

use imtag_core::SecretKey;
use imtag_transport::{AddTags, ChangeRequest};

use crate::client::{Client, Error, User};

pub(crate) struct Ours(imtag_transport::Client);

impl Ours {
    pub(crate) fn new(endpoint: &str, ca_file: &str) -> Result<Ours, Error> {
        let key = "0123456789abcdef".repeat(4);
        let client =
            imtag_transport::Client::builder(1_400_000_000, "administrator", SecretKey::new(key)?);
        // More than can be made, so that no call waits for its turn. The quota then keeps the times of a second's calls,
        // where it has 100 of them as people use it: that costs this client, if anything.
        let mut client = client
            .endpoint(endpoint)
            .calls_per_second(100_000)
            .fresh_start(true);
        if endpoint.starts_with("https://") {
            client = client.ca_file(ca_file);
        }
        Ok(Ours(client.build()?))
    }
}

impl Client for Ours {
    fn call(&mut self, users: &[User]) -> Result<(), Error> {
        let request = AddTags::new(users.iter().map(|user| (&user.account, &user.tags)))?;
        self.0.add_tag(&request)?;
        Ok(())
    }

    fn bulk(&mut self, users: &[User]) -> Result<(), Error> {
        let changes = users
            .iter()
            .map(|user| ChangeRequest::add(&user.account, &user.tags));
        let summary = self.0.bulk().run(changes).finish();
        if summary.progress.done == users.len() as u64 {
            Ok(())
        } else {
            Err(format!("the bulk run left users out: {summary}").into())
        }
    }

    fn share(&self) -> Result<Box<dyn Client>, Error> {
        Ok(Box::new(Ours(self.0.clone())))
    }
}
