//! What one caller may take: time and memory, in each phase of a connection.

use std::time::Duration;

/// Longer than any wait, and within what an `Instant` can hold.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// What one caller may take. A time above a year is a year.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, of each listener; those above it wait.
    pub connections: usize,
    /// Bytes of a request's head, and of what is read ahead of requests in a row. At least 8 KiB.
    pub head_bytes: usize,
    /// For a TLS handshake, and for a head: of the first request from when HTTP begins, and of another
    /// from its first byte on.
    pub head: Duration,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// For a body, from when it is first read.
    pub body: Duration,
    /// Bytes of all bodies together, while they come and are held. One for which there is no room waits for `room`.
    pub bodies_bytes: usize,
    /// For room for a body.
    pub room: Duration,
    /// Between an answer and the next request's first byte.
    pub idle: Duration,
    /// For an answer to be taken, from when the caller first makes it wait.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 900,
            head_bytes: 64 * 1024,
            head: Duration::from_secs(10),
            body_bytes: 4 * 1024 * 1024,
            body: Duration::from_secs(30),
            bodies_bytes: 64 * 1024 * 1024,
            room: Duration::from_secs(1),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// As given, within what can be counted.
    pub(crate) fn clamped(mut self) -> Limits {
        for time in [
            &mut self.head,
            &mut self.body,
            &mut self.room,
            &mut self.idle,
            &mut self.write,
        ] {
            *time = (*time).min(FOR_EVER);
        }
        self.head_bytes = self.head_bytes.max(8 * 1024);
        let most = tokio::sync::Semaphore::MAX_PERMITS;
        self.connections = self.connections.clamp(1, most);
        self.bodies_bytes = self.bodies_bytes.min(most);
        self
    }
}
