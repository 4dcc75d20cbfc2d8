//! The last link of the chain: puts the UserSig into the request's first line, and covers it in the answer should the
//! answer repeat it. ureq shows URLs and answers in its own logs, so it never gets to see a UserSig; the URL that it
//! has ends in `usersig=&…`.

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use zeroize::{Zeroize, Zeroizing};

use crate::Phase;

use super::attempt::Attempt;

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
        Ok(chained.map(|inner| Signed { inner, answer }))
    }
}

/// Requests go out through the inner transport's buffer; answers are copied out of it.
#[derive(Debug)]
pub(super) struct Signed<T> {
    inner: T,
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
        let progress = self.inner.maybe_await_input(timeout)?;
        let arrived = self.inner.buffers().input();
        let space = self.answer.input_append_buf();
        let part = arrived.len().min(space.len());
        space[..part].copy_from_slice(&arrived[..part]);
        let full = progress && part == 0;
        Attempt::with(
            |attempt| match attempt.take_answer(&mut space[..part], full) {
                Ok(()) => Ok(()),
                Err(trouble) => Err(attempt.failed(trouble)),
            },
        )?;
        self.answer.input_appended(part);
        self.inner.buffers().input_consume(part);
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        let unread = self.answer.input().len() + self.inner.buffers().input().len();
        unread == 0 && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
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
