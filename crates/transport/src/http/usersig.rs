//! The last connector of the chain. It puts the UserSig into the request's first line, and hides the answer's text from
//! ureq, as a proxy's error page may repeat the URL. ureq logs URLs and answers, so it must never see a UserSig. Its URL
//! has an empty one:
//!
//! ```text
//! ureq:   POST /v4/…?sdkappid=1400000000&identifier=a&usersig=&random=1&contenttype=json
//! wire:   POST /v4/…?sdkappid=1400000000&identifier=a&usersig=eJyr…&random=1&contenttype=json
//! ```

use imtag_core::{Identifier, SdkAppId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Phase;
use crate::process::random_u64;

use super::body::Body;
use super::context::{ExchangeContext, TransportError};
use super::head::{Head, TOO_LONG};

/// What the UserSig goes into, before the `&`.
const PLACEHOLDER: &[u8] = b"usersig=&";

/// All but what RFC 3986 calls unreserved: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path and query of a call's URL, with a new `random` each time and an empty `usersig`.
pub(crate) fn path_and_query(path: &str, sdkappid: SdkAppId, identifier: &Identifier) -> String {
    let identifier = utf8_percent_encode(identifier.as_str(), RESERVED);
    let random = random_u64() as u32; // the pages ask for 32 bits
    format!(
        "{path}?sdkappid={sdkappid}&identifier={identifier}&usersig=&random={random}&contenttype=json"
    )
}

#[derive(Debug)]
pub(super) struct UserSigInjector;

impl<In: Transport> Connector<In> for UserSigInjector {
    type Out = InjectingTransport<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<InjectingTransport<In>>, ureq::Error> {
        ExchangeContext::with(|context| context.phase = Phase::Write);
        let size = details.config.input_buffer_size();
        let answer = LazyBuffers::new(size, 1); // its output is not used
        Ok(chained.map(|inner| InjectingTransport {
            inner,
            head: Head::default(),
            body: Body::new(false),
            answer,
        }))
    }
}

/// Requests leave through the inner transport's buffer. Answers are copied out of it through [`Head`] and [`Body`], which
/// hide their text.
#[derive(Debug)]
pub(super) struct InjectingTransport<T> {
    inner: T,
    head: Head,
    body: Body,
    answer: LazyBuffers,
}

impl<T: Transport> Transport for InjectingTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let Some(usersig) = ExchangeContext::with(ExchangeContext::usersig_to_send) else {
            return self.inner.transmit_output(amount, timeout);
        };
        self.head = Head::default();
        let head = &self.inner.buffers().output()[..amount];
        let at = head
            .windows(PLACEHOLDER.len())
            .position(|bytes| bytes == PLACEHOLDER);
        let at = at.expect("path_and_query leaves usersig empty") + PLACEHOLDER.len() - 1;
        let signed = [&head[..at], usersig.expose().as_bytes(), &head[at..]].concat();
        let signed = Zeroizing::new(signed);
        let mut left = signed.as_slice();
        while !left.is_empty() {
            let output = self.inner.buffers().output();
            let part = left.len().min(output.len());
            output[..part].copy_from_slice(&left[..part]);
            let transmitted = self.inner.transmit_output(part, timeout);
            self.inner.buffers().output()[..part].zeroize();
            transmitted?;
            left = &left[part..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        while !self.head.has_passed() {
            let progress = self.inner.maybe_await_input(timeout)?;
            if !progress {
                return Ok(false);
            }
            if self.take_head().map_err(failed)? {
                return Ok(true);
            }
        }
        let progress = self.inner.maybe_await_input(timeout)?;
        self.take_body(progress).map_err(failed)?;
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        let unread = self.answer.input().len() + self.inner.buffers().input().len();
        unread == 0 && !self.head.is_held() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T: Transport> InjectingTransport<T> {
    /// Takes what has arrived of the head; returns true once ureq has all of it.
    fn take_head(&mut self) -> Result<bool, TransportError> {
        let arrived = self.inner.buffers().input().to_vec();
        ExchangeContext::with(|context| context.note_answer_start(&arrived))?;
        let passed = self.head.add(&arrived);
        let Some(passed) = passed.map_err(TransportError::NotUnderstood)? else {
            self.inner.buffers().input_consume(arrived.len());
            return Ok(false);
        };
        self.body = Body::new(passed.chunked);
        ExchangeContext::with(|context| context.info = passed.info);
        let passed_on = passed.passed_on;
        let space = self.answer.input_append_buf().get_mut(..passed_on.len());
        let space = space.ok_or(TransportError::NotUnderstood(TOO_LONG))?;
        space.copy_from_slice(&passed_on);
        self.answer.input_appended(passed_on.len());
        self.inner.buffers().input_consume(passed.used);
        Ok(true)
    }

    /// Copies what has arrived of the body.
    fn take_body(&mut self, progress: bool) -> Result<(), TransportError> {
        let arrived = self.inner.buffers().input();
        let space = self.answer.input_append_buf();
        let part = arrived.len().min(space.len());
        if progress && part == 0 {
            let reason = "a line between the answer's chunks is too long";
            return Err(TransportError::NotUnderstood(reason));
        }
        space[..part].copy_from_slice(&arrived[..part]);
        ExchangeContext::with(|context| self.body.take(&mut space[..part], &mut context.content));
        self.answer.input_appended(part);
        self.inner.buffers().input_consume(part);
        Ok(())
    }
}

fn failed(error: TransportError) -> ureq::Error {
    ExchangeContext::with(|context| context.failed(error))
}

impl<T: Transport> Buffers for InjectingTransport<T> {
    fn output(&mut self) -> &mut [u8] {
        self.inner.buffers().output()
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.inner.buffers().tmp_and_output()
    }

    fn input(&self) -> &[u8] {
        self.answer.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.answer.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.answer.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.answer.input_consume(amount);
    }

    fn can_use_input(&self) -> bool {
        self.answer.can_use_input()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_any_characters_fits_into_a_query() {
        let identifier = Identifier::new("a&b=c-1._~ 管").unwrap();
        let query = path_and_query("v4", SdkAppId::new(1_400_000_000).unwrap(), &identifier);
        let expected =
            "v4?sdkappid=1400000000&identifier=a%26b%3Dc-1._~%20%E7%AE%A1&usersig=&random=";
        assert!(query.starts_with(expected), "{query}");
    }
}
