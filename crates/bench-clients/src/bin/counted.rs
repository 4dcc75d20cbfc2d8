//! As `timed`, with an allocator that counts: it prints what a call allocates, or a user of a bulk run, on all threads. Its
//! times would mean nothing. A piece that grows counts again, with the bytes that it grows by.

use std::alloc::System;

use bench_clients::{Error, program};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Error> {
    program(|load, times| {
        load.run(times)?; // what is made once is there then
        let region = Region::new(ALLOCATOR);
        let count = load.run(times)? as f64;
        let counted = region.change();
        let pieces = counted.allocations + counted.reallocations;
        let [pieces, bytes] = [pieces, counted.bytes_allocated].map(|total| total as f64 / count);
        Ok(format!(r#"{{"allocations":{pieces},"bytes":{bytes}}}"#))
    })
}
