//! One HTTP/1.1 exchange: a `POST`, and its answer. Blocking, with TLS by rustls; no redirects, cookies or compression.
//!
//! ```text
//! Http ─┬─ Hosts ─┬─ Pool          idle connections
//!       │         └─ of each host, the first and the spare:
//!       │              Connector     opens one: Addresses (looked up once, renewed beside the calls), TCP, tunnel, TLS
//!       │              RequestHead   the same for each call except for UserSig, random number and length
//!       └─ post      one request over a connection, and one answer: Head says where its body ends
//! ```
//!
//! A connection lives like this; in brackets the [`Phase`](crate::error::Phase) of a call that waits there.
//!
//! ```text
//! look-up [Resolve] ──► connect [Connect] ──────────┬──► TLS [Handshake] ──► write [Write] ──► answer [Read]
//! or the proxy: look-up, connect, TLS [Proxy]       │                          ▲                  │ read in full
//!                └──► CONNECT or SOCKS5 [Tunnel] ───┘         the next request └──── idle ◄───────┘
//!                                                                                      └─► closed: 50 s idle, dead, or another idle
//!                                                                                          one was dead, or calls go to another host
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
mod hosts;
mod pool;
mod refused_socket;
mod request_head;
mod resolve;
mod trace;
mod tunnel;

pub(crate) use connect::{Host, Tls};
pub(crate) use exchange::{Exchange, Exchanged, Http, Stale};
pub(crate) use resolve::Resolver;
pub use trace::{Step, StepWatcher};
