//! The checks, as Cargo finds them: `cargo test -p imtag-checks --test languages -- WORD …` is `cargo xtask test WORD …`.

use std::process::ExitCode;

use imtag_checks::{checks, environment};

fn main() -> ExitCode {
    if !environment::is_made() {
        eprintln!("error: {}", environment::enter(false));
        return ExitCode::FAILURE;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    checks::run(&words, environment::is_long())
}
