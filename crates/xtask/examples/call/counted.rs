//! As the example `call`, with an allocator that counts: it prints what a call allocates. Its times would mean nothing.

mod client;

use std::io::{BufRead, stdin};
use std::time::Duration;

use client::Error;

fn main() -> Result<(), Error> {
    let (mut client, users) = client::from_arguments()?;
    // Until then calls may have to wait for the quota, as a client before this one may have made some.
    std::thread::sleep(Duration::from_millis(200));
    for line in stdin().lock().lines() {
        let calls: u64 = line?.parse()?;
        let mut result = Ok(());
        let counted = allocation_counter::measure(|| {
            result = (0..calls).try_for_each(|_| client.call(&users));
        });
        result?;
        let each = |total: u64| total as f64 / calls as f64;
        let [count, bytes] = [counted.count_total, counted.bytes_total].map(each);
        println!(r#"{{"allocations":{count},"bytes":{bytes}}}"#);
    }
    Ok(())
}
