//! How to use the client in asynchronous programs. (This module holds no code.)
//!
//! The client blocks, and needs no runtime. What a program in tokio, smol or any other executor does:
//!
//! | to | use | threads |
//! |---|---|---|
//! | tag or read a user per event | [`Batcher::call_async`] and [`Batcher::get_tag_async`]: futures of any executor | the batcher's own, as many as requests are under way and one more |
//! | the same for some users at once | [`Batcher::call_all_async_within`] and [`Batcher::get_all_async_within`]: one future of all their outcomes | the same |
//! | make one call of up to 100 users | a blocking call on a thread of the runtime's pool, such as tokio's `spawn_blocking` | one while the call lasts |
//! | change any number of users | a [bulk run](crate::Client::bulk) on such a thread, fed and read by channels | one while the run lasts, and the run's own |
//!
//! [`Batcher::call_async`]: crate::Batcher::call_async
//! [`Batcher::get_tag_async`]: crate::Batcher::get_tag_async
//! [`Batcher::call_all_async_within`]: crate::Batcher::call_all_async_within
//! [`Batcher::get_all_async_within`]: crate::Batcher::get_all_async_within
//!
//! # A user per event
//!
//! One batcher serves all tasks. Changes that meet within its linger time share a request, and each has its own outcome.
//! Nothing blocks; a full batcher has its futures wait in turn.
//!
//! ```
//! # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
//! # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
//! # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
//! # let client = client.endpoint(emulator.endpoint()).build()?;
//! use std::sync::Arc;
//! use imtag_transport::ChangeRequest;
//!
//! let batcher = Arc::new(client.batcher().start()); // once, for the whole program
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let tasks: Vec<_> = (0..300)
//!     .map(|number| {
//!         let batcher = Arc::clone(&batcher);
//!         tokio::spawn(async move {
//!             let change = ChangeRequest::add(format!("user-{number}"), ["seen"]);
//!             batcher.call_async(change).await
//!         })
//!     })
//!     .collect();
//! for task in tasks {
//!     task.await.unwrap()?; // a ChangeError says which account, why, and what is known of its effect
//! }
//! let tags = batcher.get_tag_async("user-7").await?;
//! assert_eq!(tags, Some(vec!["seen".to_owned()]));
//! # Ok::<(), imtag_transport::ChangeError>(())
//! # })?;
//! # assert_eq!(emulator.users().len(), 300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **A dropped future** (a `select!` that took another branch, a timeout, a client of a web server that is gone) leaves its
//! change on its way: the change is made or fails, and nobody hears of it. So a handler whose client hangs up tags the user
//! all the same. Two things end with their futures: a get, and a change that still waits for the capacity of a full batcher.
//! To have a change made for certain, and its outcome heard, await its future in a task of its own.
//!
//! **A deadline.** A future has no timer of its own. Its requests end when the batcher's
//! [`timeout`](crate::SessionOptions::timeout) is up, 30 s after it was made, and its outcome comes soon after; where it waits
//! for capacity, once there is some. For an earlier end, with what is known of the change, let a timer of your runtime
//! [`withdraw`](crate::OutcomeFuture::withdraw) it:
//!
//! ```
//! # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
//! # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
//! # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
//! # let client = client.endpoint(emulator.endpoint()).build()?;
//! use std::time::Duration;
//! use imtag_transport::{Batcher, ChangeError, ChangeRequest, Effect, WaitEnd};
//!
//! async fn tag(batcher: &Batcher, account: &str, limit: Duration) -> Result<(), ChangeError> {
//!     let mut tagged = batcher.call_async(ChangeRequest::add(account, ["vip"]));
//!     match tokio::time::timeout(limit, &mut tagged).await {
//!         Ok(outcome) => outcome,
//!         // not sent and not applied, if its request had no turn in the quota yet; else possibly applied
//!         Err(_) => tagged.withdraw(WaitEnd::TimedOut),
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! let batcher = client.batcher().linger(Duration::from_secs(10)).start();
//! let error = tag(&batcher, "xiaojun012", Duration::from_millis(20)).await.unwrap_err();
//! assert_eq!(error.effect(), Effect::NotApplied);
//! # });
//! # assert!(emulator.user("xiaojun012").is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **At the end** of the program, [`Batcher::close`](crate::Batcher::close) waits until every change has its outcome, also
//! those of dropped futures. It blocks, as the drop of a batcher does: call it by `spawn_blocking`, or after the runtime has
//! ended. A batcher that is dropped without it cancels what is under way, and all futures have an outcome that says so.
//!
//! # One call
//!
//! A call waits for its turn in the quota, for the network, and for the end of an outage, so it must not run on a thread of
//! the executor. A client is cheap to clone.
//!
//! A task that awaits `spawn_blocking` can be dropped; its call cannot, and would go on to its own end. Two things end a
//! call: its [`timeout`](crate::CallOptions::timeout), 10 s if none is set, and a [`CancelToken`](crate::CancelToken), which
//! ends it at once on any thread. Cancel the token when the future is dropped, and both end together:
//!
//! ```
//! # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
//! # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
//! # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
//! # let client = client.endpoint(emulator.endpoint()).build()?;
//! use std::time::Duration;
//! use imtag_transport::{AddTags, CallOptions, CancelToken, Client, Error, Outcome};
//!
//! struct CancelOnDrop(CancelToken);
//!
//! impl Drop for CancelOnDrop {
//!     fn drop(&mut self) {
//!         self.0.cancel(); // does nothing to a call that is over
//!     }
//! }
//!
//! async fn add_tag(client: &Client, request: AddTags<'static>) -> Result<Outcome, Error> {
//!     let (client, token) = (client.clone(), CancelToken::new());
//!     let options = CallOptions::new().timeout(Duration::from_secs(3)).cancel(&token);
//!     let _cancels = CancelOnDrop(token);
//!     let call = tokio::task::spawn_blocking(move || client.call(&request, &options));
//!     call.await.expect("a call does not panic")
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let outcome = add_tag(&client, AddTags::new([("xiaojun012", ["vip", "beijing"])])?).await?;
//! assert_eq!(outcome.accounts, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Of a call that ends so nobody hears the outcome: if its request was on its way, it is possibly applied. To hear of it, let
//! the call's own `timeout` end it instead of the runtime's timer: its error says what is known of the effect.
//! [`CallOptions::drain`](crate::CallOptions::drain) is for a shutdown: what waits ends, and an attempt under way finishes.
//!
//! Many calls at once take many threads, and wait for the quota there. Where each is of one user, use a batcher.
//!
//! # Any number of users
//!
//! A run pulls its input on the thread that asks for outcomes. A bounded channel brings it there, and holds back a task that
//! is faster than the quota:
//!
//! ```
//! # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
//! # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
//! # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
//! # let client = client.endpoint(emulator.endpoint()).build()?;
//! use imtag_transport::ChangeRequest;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let (changes, mut input) = tokio::sync::mpsc::channel(1000);
//! let run = tokio::task::spawn_blocking(move || {
//!     let input = std::iter::from_fn(|| input.blocking_recv());
//!     let mut run = client.bulk().run(input);
//!     for completion in run.by_ref() {
//!         if let Err(error) = completion.result {
//!             eprintln!("{error}"); // or send the completion into another channel
//!         }
//!     }
//!     run.finish()
//! });
//! for number in 0..250 {
//!     let change = ChangeRequest::add(format!("user-{number}"), ["vip"]);
//!     if changes.send(change).await.is_err() {
//!         break; // the run has ended early: its summary says why
//!     }
//! }
//! drop(changes); // the end of the input
//! let summary = run.await?;
//! assert_eq!(summary.progress.done, 250);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A dropped task ends the input, and the run sees through what it took. To end it sooner, give the run a token:
//! [`BulkOptions::drain`](crate::BulkOptions) and `cancel`. While the run waits for its input, its outcomes wait too: a
//! [`Bulk`](crate::Bulk) that is fed by one task and polled on another thread has no such wait.
//!
//! # What blocks, and what does not
//!
//! | | |
//! |---|---|
//! | never for long | to build or clone a client, `call_async`, `get_tag_async` and those of many users, the futures' polls, `withdraw` and drops, `CancelToken::cancel`, `Batcher::withdraw`, `Bulk::cancel`, `progress`, `unsettled`, `paused`, `resume` |
//! | until an answer, a deadline or a cancel | the calls of a client; a batcher's `add_tag`, `remove_tag`, `clear_tags`, `get_tag`, `call`, `flush` and `close`, its `submit` while it is full and set to wait, its `poll`; a run's `push`, `poll` and `finish`; the drop of a batcher or a run, which waits for its threads |
//!
//! A credentials [callback](crate::Credentials::callback) may block. It runs on a thread that makes a call, or on one of a
//! batcher or a run, none of which is the executor's: a `tokio::runtime::Handle` that it holds can `block_on` there.
