//! `cargo xtask bench idle`: how often the threads of a bulk run and of a batcher are switched that have nothing to do.

use std::thread;
use std::time::Duration;

use imtag_emulator::Window;
use imtag_transport::ChangeRequest;

use super::{seconds, threads};
use crate::Error;
use crate::scene::Scene;

/// So many that each has several threads.
const CHANGES: u64 = 2_000;
/// After the last outcome the threads still look around once.
const UNTIL_REST: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let time = seconds(arguments, 10)?;
    let scene = Scene::new(Window::Sliding, Duration::ZERO)?;
    let change = |at: u64| ChangeRequest::add(format!("user{at:08}"), ["vip"]);
    let bulk = scene.client.bulk().start();
    let batcher = scene.client.batcher().start();
    for at in 0..CHANGES {
        bulk.push(at, change(at))?;
        batcher.submit(at, change(CHANGES + at))?;
    }
    let (mut of_bulk, mut of_batcher) = (0, 0);
    while of_bulk < CHANGES || of_batcher < CHANGES {
        of_bulk += bulk.poll(Duration::from_millis(10)).len() as u64;
        of_batcher += batcher.poll(Duration::from_millis(10)).len() as u64;
    }
    thread::sleep(UNTIL_REST);
    let names = ["imtag-bulk", "imtag-batcher"];
    let costs = || names.map(threads::of_threads);
    let before = costs();
    thread::sleep(time);
    for ((name, before), after) in names.iter().zip(before).zip(costs()) {
        let (before, after) = (before?, after?);
        println!(
            "{name:<14} {} threads at rest, switched {} times in {} s, {:?} of CPU",
            after.threads,
            after.switches - before.switches,
            time.as_secs(),
            after.cpu.saturating_sub(before.cpu)
        );
    }
    Ok(())
}
