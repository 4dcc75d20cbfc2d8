//! What came of the cases: every difference, then a table of the languages, with calls, bulk runs and batchers apart.

use std::fmt;

use super::play::Played;
use super::script::Kind;
use crate::Error;
use crate::program::Missing;

/// All cases in all languages.
#[derive(Debug)]
pub(super) struct Report {
    /// How many of each kind.
    pub(super) cases: [usize; Kind::ALL.len()],
    pub(super) played: Vec<Played>,
}

impl Report {
    /// Fails if a case failed or a runner could not be built; else with [`Missing`] if this machine lacks a language.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        let failed: usize = self.played.iter().map(|played| played.failed.len()).sum();
        let mut faults = Vec::from_iter((failed > 0).then(|| format!("{failed} cases failed")));
        let mut missing = Vec::new();
        for Played {
            language, unready, ..
        } in &self.played
        {
            if let Some(why) = unready {
                let list = if why.is::<Missing>() {
                    &mut missing
                } else {
                    &mut faults
                };
                list.push(format!("{language}: {why}"));
            }
        }
        if !faults.is_empty() {
            Err(faults.join("; ").into())
        } else if !missing.is_empty() {
            Err(Missing(missing.join("; ")).into())
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Played {
            language, failed, ..
        } in &self.played
        {
            for (title, differences) in failed {
                writeln!(f, "{title} in {language}")?;
                for difference in differences {
                    writeln!(f, "  {difference}")?;
                }
            }
        }
        for Played {
            language, skipped, ..
        } in &self.played
        {
            for (title, reason) in skipped {
                writeln!(f, "skipped in {language}: {title}: {reason}")?;
            }
        }
        let [calls, bulk_runs, batchers] = self.cases;
        writeln!(
            f,
            "passed         calls  bulk runs  batchers   failed  skipped  seconds"
        )?;
        writeln!(f, "of            {calls:>6}  {bulk_runs:>9}  {batchers:>8}")?;
        for played in &self.played {
            write!(f, "{:<12}  ", played.language)?;
            if let Some(why) = &played.unready {
                writeln!(f, "not played: {why}")?;
                continue;
            }
            let [calls, bulk_runs, batchers] = played.passed;
            let (failed, skipped) = (played.failed.len(), played.skipped.len());
            let seconds = played.took.as_secs_f32();
            write!(f, "{calls:>6}  {bulk_runs:>9}  {batchers:>8}")?;
            writeln!(f, "  {failed:>7}  {skipped:>7}  {seconds:>7.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn played(language: &'static str, unready: Option<Error>) -> Played {
        Played {
            took: Duration::from_millis(1_250),
            ..Played::nothing(language, unready)
        }
    }

    #[test]
    fn a_failed_case_or_a_broken_runner_is_a_fault_and_a_missing_language_is_not() {
        let outcome = |played: Vec<Played>| {
            let error = Report {
                cases: [2, 0, 0],
                played,
            }
            .outcome()
            .unwrap_err();
            (error.to_string(), error.is::<Missing>())
        };
        let rust = || played("rust", None);
        let go = || played("go", Some(Missing("there is no Go".to_owned()).into()));
        let c = || played("c", Some("gcc: exit status: 1".into()));
        let missing = ("go: there is no Go".to_owned(), true);
        assert_eq!(outcome(vec![rust(), go()]), missing);
        let broken = ("c: gcc: exit status: 1".to_owned(), false);
        assert_eq!(outcome(vec![go(), c()]), broken);
    }

    #[test]
    fn each_difference_is_shown_then_what_was_skipped_then_the_table() {
        let mut rust = played("rust", None);
        rust.passed = [1, 2, 0];
        let difference = "outcome.status\n    expected \"ok\"\n    got      \"tls\"";
        rust.failed
            .push(("tls: a".to_owned(), vec![difference.to_owned()]));
        rust.skipped.push(("tls: b".to_owned(), "why".to_owned()));
        let report = Report {
            cases: [3, 2, 1],
            played: vec![rust],
        };
        assert_eq!(report.outcome().unwrap_err().to_string(), "1 cases failed");
        assert_eq!(
            report.to_string(),
            "tls: a in rust\n  outcome.status\n    expected \"ok\"\n    got      \"tls\"\n\
             skipped in rust: tls: b: why\n\
             passed         calls  bulk runs  batchers   failed  skipped  seconds\n\
             of                 3          2         1\n\
             rust               1          2         0        1        1      1.2\n"
        );
    }
}
