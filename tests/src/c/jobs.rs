//! Programs that are built and run side by side, as most of them wait most of the time. What one prints is kept until
//! it ends, so that a failure is read in one piece.

use std::process::Command;
use std::time::Instant;

use crate::error::Error;
use crate::parallel::in_parallel;
use crate::program::output;

/// A program to build and to run.
pub(super) struct Job {
    name: String,
    build: Command,
    run: Command,
    prints: Option<&'static str>,
}

impl Job {
    pub(super) fn new(name: impl Into<String>, build: Command, run: Command) -> Job {
        Job {
            name: name.into(),
            build,
            run,
            prints: None,
        }
    }

    /// The same, which is to print this.
    pub(super) fn that_prints(self, text: &'static str) -> Job {
        Job {
            prints: Some(text),
            ..self
        }
    }

    fn do_it(mut self) -> Result<(), Error> {
        output(&mut self.build)?;
        let printed = output(&mut self.run)?;
        match self.prints {
            Some(text) if printed != text => {
                Err(format!("it printed {printed:?} and not {text:?}").into())
            }
            _ => Ok(()),
        }
    }
}

/// Does all of them; what went wrong, by their names.
pub(super) fn all(jobs: Vec<Job>) -> Vec<String> {
    let faults = in_parallel(jobs, |job| {
        let (name, start) = (job.name.clone(), Instant::now());
        let done = job.do_it();
        let took = start.elapsed().as_secs_f32();
        match done {
            Ok(()) => {
                println!("{name}: ok in {took:.1} s");
                None
            }
            Err(why) => {
                println!("{name}: failed in {took:.1} s\n{why}");
                Some(format!("{name}: {why}"))
            }
        }
    });
    faults.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(build: &str, run: &str) -> Job {
        let run = run.split(' ').collect::<Vec<_>>();
        let mut program = Command::new(run[0]);
        program.args(&run[1..]);
        Job::new("it", Command::new(build), program)
    }

    #[test]
    fn a_job_that_is_not_built_or_fails_or_prints_something_else_is_named() {
        assert!(all(vec![job("true", "true")]).is_empty());
        assert_eq!(all(vec![job("false", "true")]).len(), 1);
        let one_fails = vec![job("true", "true"), job("true", "false")];
        assert_eq!(all(one_fails).len(), 1);
        assert!(all(vec![job("true", "echo a").that_prints("a\n")]).is_empty());
        let faults = all(vec![job("true", "echo a").that_prints("b\n")]);
        assert_eq!(faults, ["it: it printed \"a\\n\" and not \"b\\n\""]);
    }
}
