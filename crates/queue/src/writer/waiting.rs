//! Callers that wait until a post is settled.

use std::collections::HashMap;

use crate::answer::Reply;
use crate::id::PostId;

/// So many are kept without a look for those that have gone.
const LEAST: usize = 64;

/// Those that wait, by their posts.
pub(super) struct Waiting<T> {
    posts: HashMap<PostId, Vec<Reply<T>>>,
    count: usize,
    /// With so many it is looked for those that have gone.
    looks_at: usize,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Waiting<T> {
        Waiting {
            posts: HashMap::new(),
            count: 0,
            looks_at: 0,
        }
    }

    pub(super) fn add(&mut self, post: PostId, reply: Reply<T>) {
        if self.count >= self.looks_at.max(LEAST) {
            self.sweep();
            self.looks_at = self.count * 2;
        }
        self.posts.entry(post).or_default().push(reply);
        self.count += 1;
    }

    /// Callers go when their time is up, while the service is away all of them.
    fn sweep(&mut self) {
        self.posts.retain(|_, replies| {
            replies.retain(|it| !it.is_forgotten());
            !replies.is_empty()
        });
        self.count = self.posts.values().map(Vec::len).sum();
    }

    /// True if a caller waits for a post that has not gone.
    pub(super) fn is_awaited(&self, post: PostId) -> bool {
        let replies = self.posts.get(&post);
        replies.is_some_and(|replies| replies.iter().any(|it| !it.is_forgotten()))
    }

    /// Those of a post, who wait no more.
    pub(super) fn take(&mut self, post: PostId) -> Vec<Reply<T>> {
        let replies = self.posts.remove(&post).unwrap_or_default();
        self.count -= replies.len();
        replies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::channel;

    #[test]
    fn those_that_have_gone_are_neither_awaited_nor_kept() {
        let mut waiting = Waiting::new();
        let stays = PostId::from_row(1);
        let (reply, answer) = channel();
        waiting.add(stays, reply);
        for row in 2..10_000 {
            let (reply, gone) = channel();
            waiting.add(PostId::from_row(row), reply);
            assert!(waiting.is_awaited(PostId::from_row(row)));
            drop(gone);
            assert!(!waiting.is_awaited(PostId::from_row(row)));
        }
        assert!(waiting.posts.len() <= LEAST, "{}", waiting.posts.len());
        assert!(waiting.is_awaited(stays));
        for reply in waiting.take(stays) {
            reply.give(Ok(7));
        }
        assert_eq!(answer.wait(), Ok(7));
        assert!(!waiting.is_awaited(stays));
    }
}
