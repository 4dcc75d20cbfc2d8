//! A client of the benchmark: a call, its users, and how its answer is judged.

use serde::{Deserialize, Serialize};

/// Why a call failed, in a sentence.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The path and the query of a call, with a UserSig of the usual length.
pub(crate) const TARGET: &str = concat!(
    "/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator&usersig=",
    "eJwtzM0KgkAYheF7mXXIN*OMjkKLFm36U8loE4QxY3xZNuiUUXTviXo8z4H3S3bbzHvqmoSEeUAm-SOlb9Zgib23oCuscbC36ZaWdVkXxqAiIQUA",
    "Kv3hLDqdNhjXkzPfY0AFUBYwIYfB6m2w1m5XlCppRByogHMpJPM4zf6TIj4lq*bxnBR8ceHpyh6PbL-AWVUoJw_&random=1&contenttype=json"
);

/// What a request holds at most.
pub(crate) const USERS_A_REQUEST: usize = 100;

/// A user as a program has it, and as a request's body has it.
#[derive(Serialize)]
pub(crate) struct User {
    #[serde(rename = "To_Account")]
    pub(crate) account: String,
    #[serde(rename = "Tags")]
    pub(crate) tags: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Body<'a> {
    #[serde(rename = "UserTags")]
    pub(crate) users: &'a [User],
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "ErrorCode")]
    code: i32,
}

/// A client with a connection, or with a pool of them.
pub(crate) trait Client: Send {
    /// One call.
    fn call(&mut self, users: &[User]) -> Result<(), Error>;

    /// Any number of users, as fast as one thread that has them brings them out.
    fn bulk(&mut self, users: &[User]) -> Result<(), Error> {
        let mut requests = users.chunks(USERS_A_REQUEST);
        requests.try_for_each(|users| self.call(users))
    }

    /// The same client for another thread.
    fn share(&self) -> Result<Box<dyn Client>, Error>;
}

pub(crate) fn check(answer: &[u8]) -> Result<(), Error> {
    match serde_json::from_slice(answer)? {
        Answer { code: 0 } => Ok(()),
        Answer { code } => Err(format!("the answer has the code {code}").into()),
    }
}
