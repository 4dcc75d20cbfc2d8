//! What became of each step, and whether all of it together passes: decided and written here only.

use std::fmt;

use crate::Error;
use crate::cost::Cost;
use crate::program::Missing;

/// What became of a step: it passed, failed, or was skipped, as [`Missing`] says why this machine cannot do it.
pub(super) type Outcome = Result<(), Error>;

pub(super) type Step = fn() -> Outcome;

pub(super) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(why) if why.is::<Missing>() => "skipped",
        Err(_) => "failed",
    }
}

/// All steps so far.
#[derive(Default)]
pub(super) struct Summary {
    /// What is skipped counts as failed.
    pub(super) strict: bool,
    pub(super) steps: Vec<(&'static str, Outcome, Cost)>,
}

impl Summary {
    pub(super) fn passes(&self) -> bool {
        self.count("failed") == 0 && (self.count("skipped") == 0 || !self.strict)
    }

    fn count(&self, of: &str) -> usize {
        let outcomes = self.steps.iter().map(|(_, outcome, _)| word(outcome));
        outcomes.filter(|word| *word == of).count()
    }
}

/// The times, then a line a step, then the counts.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: Cost = self.steps.iter().map(|(_, _, took)| *took).sum();
        writeln!(f, "── summary, {total} ──")?;
        for (name, outcome, took) in &self.steps {
            match outcome {
                Ok(()) => writeln!(f, "ok: {name} ({took})")?,
                Err(why) if why.is::<Missing>() => writeln!(f, "skipped: {name}: {why}")?,
                Err(why) => writeln!(f, "failed: {name} ({took}): {why}")?,
            }
        }
        let [ok, failed, skipped] = ["ok", "failed", "skipped"].map(|word| self.count(word));
        if self.strict && skipped > 0 {
            writeln!(f, "what is skipped is a failure here, as CI=true")?;
        }
        write!(f, "{ok} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn summary(strict: bool, outcomes: Vec<Outcome>) -> Summary {
        let took = Cost {
            time: Duration::from_millis(1_200),
            cpu: Duration::from_millis(2_300),
        };
        let steps = outcomes.into_iter().map(|outcome| ("lints", outcome, took));
        Summary {
            strict,
            steps: steps.collect(),
        }
    }

    fn failed() -> Outcome {
        Err("exit status: 101".into())
    }

    fn skipped() -> Outcome {
        Err(Missing("there is no clippy".to_owned()).into())
    }

    #[test]
    fn a_failed_step_fails_the_whole_and_a_skipped_one_where_all_must_run() {
        assert!(summary(true, vec![Ok(()), Ok(())]).passes());
        assert!(!summary(false, vec![Ok(()), failed(), Ok(())]).passes());
        assert!(summary(false, vec![skipped()]).passes());
        assert!(!summary(true, vec![skipped()]).passes());
    }

    #[test]
    fn each_step_has_its_line_and_its_reason() {
        assert_eq!(
            summary(true, vec![Ok(()), failed(), skipped()]).to_string(),
            "── summary, 3.6 s, 6.9 s of CPU ──\n\
             ok: lints (1.2 s, 2.3 s of CPU)\n\
             failed: lints (1.2 s, 2.3 s of CPU): exit status: 101\n\
             skipped: lints: there is no clippy\n\
             what is skipped is a failure here, as CI=true\n\
             1 passed, 1 failed, 1 skipped"
        );
    }
}
