//! How a message becomes arguments of the script, and its reply an answer.

use imtag_core::leases::{Answer, Grant, Message, Terms};
use imtag_core::{Operation, SdkAppId};

/// The store's side of leases: `imtag_core::leases::store` in Lua. It takes one key and [`arguments`].
pub const SCRIPT: &str = include_str!("leases.lua");

/// What was answered is not what the script answers: another program has this key, or another version of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadReply;

/// The app's hash. In braces is what a Redis Cluster places it by.
#[must_use]
pub fn key(prefix: &str, app: SdkAppId) -> String {
    format!("{prefix}{{{app}}}")
}

/// The arguments of the script for a message. `run` is the `run_id` of the server that the connection leads to, without
/// spaces: another one may have lost what came after its state.
#[must_use]
pub fn arguments(run: &str, message: &Message) -> Vec<String> {
    let elapsed = message.elapsed.map_or([-1; 3], |it| {
        [it.clock, it.at_least, it.at_most].map(|it| i64::try_from(it).unwrap_or(i64::MAX))
    });
    let mut arguments = vec![
        run.to_owned(),
        message.holder.clone(),
        message.terms.slots.to_string(),
        message.terms.window.to_string(),
        message.seq.to_string(),
        message.acknowledged.to_string(),
        u8::from(message.holds_lease).to_string(),
    ];
    arguments.extend(elapsed.map(|it| it.to_string()));
    for (operation, request) in Operation::ALL.iter().zip(&message.operations) {
        let given_back: Vec<String> = request.given_back.iter().map(u64::to_string).collect();
        arguments.extend([
            operation.to_string(),
            request.keep.to_string(),
            request.want.to_string(),
            request
                .rejected
                .map_or("-1".to_owned(), |ago| ago.to_string()),
            request.round_trip.to_string(),
            given_back.join(" "),
        ]);
    }
    arguments
}

/// The answer in the script's reply, whose integers are taken as text.
///
/// # Errors
///
/// [`BadReply`] if it is none.
pub fn read_reply(reply: &[String]) -> Result<Answer, BadReply> {
    let (head, operations) = reply.split_at_checked(4).ok_or(BadReply)?;
    if operations.len() != 2 * Operation::ALL.len() {
        return Err(BadReply);
    }
    let mut answer = Answer {
        clock: number(&head[0])?,
        known: number::<u8>(&head[1])? == 1,
        terms: Terms {
            slots: number(&head[2])?,
            window: number(&head[3])?,
        },
        operations: Default::default(),
    };
    for (grant, said) in answer.operations.iter_mut().zip(operations.chunks(2)) {
        *grant = Grant {
            granted: said[0]
                .split_whitespace()
                .map(number)
                .collect::<Result<_, _>>()?,
            give_back: number(&said[1])?,
        };
    }
    Ok(answer)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, BadReply> {
    text.parse().map_err(|_| BadReply)
}

impl std::fmt::Display for BadReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reply is not one of the script for shared quotas")
    }
}

impl std::error::Error for BadReply {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_reply_of_the_script_is_an_error() {
        let reply = [
            "7", "1", "100", "1000", "0 300", "2", "", "0", "", "0", "", "0",
        ];
        let reply: Vec<String> = reply.map(str::to_owned).into();
        let answer = read_reply(&reply).unwrap();
        assert_eq!((answer.clock, answer.known), (7, true));
        assert_eq!(answer.operations[0].granted, [0, 300]);
        assert_eq!(answer.operations[0].give_back, 2);
        for at in 0..reply.len() {
            assert_eq!(read_reply(&reply[..at]), Err(BadReply), "{at}");
            let mut wrong = reply.clone();
            wrong[at] = "x".to_owned();
            assert!(at == 1 || read_reply(&wrong) == Err(BadReply), "{at}");
        }
    }

    #[test]
    fn the_key_has_what_a_cluster_places_it_by_in_braces() {
        let app = SdkAppId::new(1_400_000_000).unwrap();
        assert_eq!(key("imtag:", app), "imtag:{1400000000}");
    }
}
