//! The last link of the chain: puts the UserSig into the request's first line. ureq shows URLs in its own logs and
//! errors, so it never gets to see one with a UserSig in it; the URL that it has ends in `usersig=&…`.

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

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
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Signed<In>>, ureq::Error> {
        Attempt::with(|attempt| attempt.phase = Phase::Write);
        Ok(chained.map(|inner| Signed { inner }))
    }
}

#[derive(Debug)]
pub(super) struct Signed<T> {
    inner: T,
}

impl<T: Transport> Transport for Signed<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let Some(usersig) = Attempt::with(Attempt::take_usersig) else {
            return self.inner.transmit_output(amount, timeout);
        };
        let head = &self.inner.buffers().output()[..amount];
        let gap = head.windows(GAP.len()).position(|bytes| bytes == GAP);
        let gap = gap.expect("the request's URL has a gap for the UserSig") + GAP.len() - 1;
        let signed = [&head[..gap], usersig.expose().as_bytes(), &head[gap..]].concat();
        let mut left = signed.as_slice();
        while !left.is_empty() {
            let output = self.inner.buffers().output();
            let part = left.len().min(output.len());
            output[..part].copy_from_slice(&left[..part]);
            self.inner.transmit_output(part, timeout)?;
            left = &left[part..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let progress = self.inner.await_input(timeout)?;
        let input = self.inner.buffers().input();
        Attempt::with(|attempt| attempt.note_answer(input));
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
