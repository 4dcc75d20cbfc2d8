//! What became of each step, and whether all of it together passes: decided and written here only.

use super::cost::Cost;
use std::fmt;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    /// In a sentence.
    Failed(String),
    /// Why this machine cannot do it.
    Skipped(String),
}

impl Outcome {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }
}

/// All steps so far.
pub(super) struct Summary {
    strict: bool,
    steps: Vec<(&'static str, Outcome, Cost)>,
}

impl Summary {
    /// With `strict`, what is skipped counts as failed.
    pub(super) fn new(strict: bool) -> Summary {
        Summary {
            strict,
            steps: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &'static str, outcome: Outcome, took: Cost) {
        self.steps.push((name, outcome, took));
    }

    pub(super) fn passes(&self) -> bool {
        let skipped_may_pass = self.count("skipped") == 0 || !self.strict;
        self.count("failed") == 0 && skipped_may_pass
    }

    fn count(&self, word: &str) -> usize {
        let of_word = |step: &&(_, Outcome, _)| step.1.word() == word;
        self.steps.iter().filter(of_word).count()
    }
}

/// The times, then a line a step, then the counts.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: Cost = self.steps.iter().map(|(_, _, took)| *took).sum();
        writeln!(f, "── summary, {total} ──")?;
        for (name, outcome, took) in &self.steps {
            match outcome {
                Outcome::Ok => writeln!(f, "ok: {name} ({took})")?,
                Outcome::Failed(why) => writeln!(f, "failed: {name} ({took}): {why}")?,
                Outcome::Skipped(why) => writeln!(f, "skipped: {name}: {why}")?,
            }
        }
        let (ok, failed, skipped) = (
            self.count("ok"),
            self.count("failed"),
            self.count("skipped"),
        );
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

    fn summary(strict: bool, outcomes: &[Outcome]) -> Summary {
        let mut summary = Summary::new(strict);
        for outcome in outcomes {
            let took = Cost {
                time: Duration::from_millis(1_200),
                cpu: Duration::from_millis(2_300),
            };
            summary.add("lints", outcome.clone(), took);
        }
        summary
    }

    fn skipped() -> Outcome {
        Outcome::Skipped("there is no clippy".to_owned())
    }

    #[test]
    fn one_failed_step_fails_the_whole() {
        let failed = Outcome::Failed("cargo clippy: exit status: 101".to_owned());
        assert!(!summary(false, &[Outcome::Ok, failed, Outcome::Ok]).passes());
        assert!(summary(false, &[Outcome::Ok, Outcome::Ok]).passes());
    }

    #[test]
    fn a_skipped_step_fails_the_whole_only_where_all_must_run() {
        assert!(summary(false, &[skipped()]).passes());
        assert!(!summary(true, &[skipped()]).passes());
    }

    #[test]
    fn each_step_has_its_line_and_its_reason() {
        let failed = Outcome::Failed("exit status: 101".to_owned());
        assert_eq!(
            summary(true, &[Outcome::Ok, failed, skipped()]).to_string(),
            "── summary, 3.6 s, 6.9 s of CPU ──\n\
             ok: lints (1.2 s, 2.3 s of CPU)\n\
             failed: lints (1.2 s, 2.3 s of CPU): exit status: 101\n\
             skipped: lints: there is no clippy\n\
             what is skipped is a failure here, as CI=true\n\
             1 passed, 1 failed, 1 skipped"
        );
    }
}
