//! One HTTP exchange, by ureq's protocol (`ureq-proto`) over connections of our own.
//!
//! ```text
//! Http ─┬─ Pool          idle connections
//!       ├─ Connector     opens one: Addresses (looked up once, renewed beside the calls), TCP, TLS
//!       └─ message       one request, with the UserSig, and one answer; ureq-proto sees the text of neither
//! ```
//!
//! A connection lives like this; in brackets the [`Phase`](crate::error::Phase) of a call that waits there.
//!
//! ```text
//! look-up [Resolve] ──► connect [Connect] ──► TLS [Handshake] ──► write [Write] ──► answer [Read]
//!                                                                   ▲                  │ read in full
//!                                                  the next request └──── idle ◄───────┘
//!                                                                           └─► closed: 50 s idle, dead, or distrusted
//! ```
//!
//! A call runs on its caller's thread from start to end. How long it may wait, how far it is and what it has found out is
//! in its [`Context`](context::Context), which is passed to each part.

mod body;
mod connect;
mod connection;
mod context;
mod exchange;
mod head;
mod message;
mod pool;
mod refused_socket;
mod resolve;

pub(crate) use connect::Tls;
pub(crate) use exchange::{Exchange, Exchanged, Http, Stale};
pub(crate) use message::{RequestBuffer, path_and_query};
