//! The lines between runner and harness. Threads of a case use them too: no lock is held while there is nothing to read.

use std::io::{self, Write};
use std::sync::Mutex;

use serde_json::{Value, json};

/// A wait asks and is answered before the next one asks.
static ASKING: Mutex<()> = Mutex::new(());

/// The next line; `None` at the end.
pub(crate) fn read() -> io::Result<Option<Value>> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_str(&line)?)),
    }
}

pub(crate) fn write(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

/// Waits until the server has so many requests.
pub(crate) fn await_arrivals(count: u64) -> io::Result<()> {
    let _asking = ASKING.lock();
    write(&json!({"await_arrivals": count}))?;
    read().map(drop)
}
