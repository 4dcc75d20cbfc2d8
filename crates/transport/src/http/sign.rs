//! The last link of the chain: puts the UserSig into the request's first line, and keeps the answer's texts from ureq, as
//! they may repeat it. ureq shows URLs and answers in its own logs, so it never gets to see a UserSig; the URL that it
//! has ends in `usersig=&…`.

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use zeroize::{Zeroize, Zeroizing};

use crate::Phase;

use super::attempt::{Attempt, Trouble};
use super::body::Body;
use super::head::{Added, Head};

/// Where the UserSig goes.
const GAP: &[u8] = b"usersig=&";

#[derive(Debug)]
pub(super) struct Sign;

impl<In: Transport> Connector<In> for Sign {
    type Out = Signed<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Signed<In>>, ureq::Error> {
        Attempt::with(|attempt| attempt.phase = Phase::Write);
        let size = details.config.input_buffer_size();
        let answer = LazyBuffers::new(size, 1); // its output is not used
        Ok(chained.map(|inner| Signed {
            inner,
            head: Head::default(),
            body: Body::new(false),
            answer,
        }))
    }
}

/// Requests go out through the inner transport's buffer; answers are copied out of it by way of [`Head`] and
/// [`Body`].
#[derive(Debug)]
pub(super) struct Signed<T> {
    inner: T,
    head: Head,
    body: Body,
    answer: LazyBuffers,
}

impl<T: Transport> Transport for Signed<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let Some(usersig) = Attempt::with(Attempt::usersig_to_send) else {
            return self.inner.transmit_output(amount, timeout);
        };
        self.head = Head::default();
        let head = &self.inner.buffers().output()[..amount];
        let gap = head.windows(GAP.len()).position(|bytes| bytes == GAP);
        let gap = gap.expect("the URL that we made has a gap for the UserSig") + GAP.len() - 1;
        let signed = [&head[..gap], usersig.expose().as_bytes(), &head[gap..]].concat();
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

impl<T: Transport> Signed<T> {
    /// Takes what has arrived of the head; says whether ureq has it now.
    fn take_head(&mut self) -> Result<bool, Trouble> {
        let arrived = self.inner.buffers().input().to_vec();
        Attempt::with(|attempt| attempt.look_at_answer(&arrived))?;
        let too_long = Trouble::NotUnderstood("the answer's head is too long");
        let (passed_on, chunked, told, used) = match self.head.add(&arrived) {
            Added::More => {
                self.inner.buffers().input_consume(arrived.len());
                return Ok(false);
            }
            Added::TooLong => return Err(too_long),
            Added::NotHttp => return Err(Trouble::NotUnderstood("not an HTTP answer")),
            Added::Whole {
                passed_on,
                chunked,
                told,
                used,
            } => (passed_on, chunked, told, used),
        };
        self.body = Body::new(chunked);
        Attempt::with(|attempt| attempt.told = told);
        let space = self.answer.input_append_buf();
        let Some(space) = space.get_mut(..passed_on.len()) else {
            return Err(too_long);
        };
        space.copy_from_slice(&passed_on);
        self.answer.input_appended(passed_on.len());
        self.inner.buffers().input_consume(used);
        Ok(true)
    }

    /// Copies what has arrived of the body.
    fn take_body(&mut self, progress: bool) -> Result<(), Trouble> {
        let arrived = self.inner.buffers().input();
        let space = self.answer.input_append_buf();
        let part = arrived.len().min(space.len());
        if progress && part == 0 {
            let reason = "a line between the answer's chunks is too long";
            return Err(Trouble::NotUnderstood(reason));
        }
        space[..part].copy_from_slice(&arrived[..part]);
        Attempt::with(|attempt| self.body.take(&mut space[..part], &mut attempt.content));
        self.answer.input_appended(part);
        self.inner.buffers().input_consume(part);
        Ok(())
    }
}

fn failed(trouble: Trouble) -> ureq::Error {
    Attempt::with(|attempt| attempt.failed(trouble))
}

impl<T: Transport> Buffers for Signed<T> {
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
