//! `cargo xtask bench batcher`.

use crate::Error;

pub(crate) fn run(_arguments: lexopt::Parser) -> Result<(), Error> {
    Err("it is not there yet".into())
}
