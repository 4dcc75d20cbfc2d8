//! What came of the cases: every difference, then a table of the languages, with calls, bulk runs and batchers apart.

use std::fmt;

use super::case::Kind;
use super::languages::Unready;
use super::play::Played;

/// All cases in all languages.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many of each kind.
    cases: [usize; Kind::ALL.len()],
    played: Vec<Played>,
}

impl Report {
    pub(super) fn of(cases: [usize; Kind::ALL.len()], played: Vec<Played>) -> Report {
        Report { cases, played }
    }

    /// Why this is no success, where a case failed or a runner could not be built.
    pub(crate) fn fault(&self) -> Option<String> {
        let failed: usize = self.played.iter().map(|played| played.failed.len()).sum();
        let broken = self
            .played
            .iter()
            .filter_map(|played| match &played.unready {
                Some(Unready::Broken(why)) => Some(format!("{}: {why}", played.language)),
                _ => None,
            });
        let failed = (failed > 0).then(|| format!("{failed} cases failed"));
        let faults: Vec<String> = failed.into_iter().chain(broken).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// The languages that this machine does not have.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self
            .played
            .iter()
            .filter_map(|played| match &played.unready {
                Some(Unready::Missing(why)) => Some(format!("{}: {why}", played.language)),
                _ => None,
            });
        let missing: Vec<String> = missing.collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for played in &self.played {
            for failed in &played.failed {
                writeln!(f, "{} in {}", failed.title, played.language)?;
                for difference in &failed.differences {
                    writeln!(f, "  {difference}")?;
                }
            }
        }
        for played in &self.played {
            for (title, reason) in &played.skipped {
                writeln!(f, "skipped in {}: {title}: {reason}", played.language)?;
            }
        }
        let [calls, bulk_runs, batchers] = self.cases;
        writeln!(
            f,
            "passed         calls  bulk runs  batchers   failed  skipped  seconds"
        )?;
        writeln!(f, "of            {calls:>6}  {bulk_runs:>9}  {batchers:>8}")?;
        for played in &self.played {
            let language = played.language;
            match &played.unready {
                Some(Unready::Missing(why) | Unready::Broken(why)) => {
                    writeln!(f, "{language:<12}  not played: {why}")?;
                }
                None => {
                    let [calls, bulk_runs, batchers] = played.passed;
                    let (failed, skipped) = (played.failed.len(), played.skipped.len());
                    let seconds = played.took.as_secs_f32();
                    writeln!(
                        f,
                        "{language:<12}  {calls:>6}  {bulk_runs:>9}  {batchers:>8}  {failed:>7}  {skipped:>7}  {seconds:>7.1}"
                    )?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::difference::Difference;
    use super::super::play::Failed;
    use super::*;

    fn played(language: &'static str, unready: Option<Unready>) -> Played {
        Played {
            language,
            unready,
            took: Duration::from_millis(1_250),
            passed: [0; 3],
            failed: Vec::new(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn a_failed_case_or_a_broken_runner_is_a_fault_and_a_missing_language_is_not() {
        let missing = Some(Unready::Missing("there is no Go".to_owned()));
        let report = Report::of([2, 0, 0], vec![played("rust", None), played("go", missing)]);
        assert_eq!(report.fault(), None);
        assert_eq!(report.missing().as_deref(), Some("go: there is no Go"));

        let broken = Some(Unready::Broken("gcc: exit status: 1".to_owned()));
        let report = Report::of([2, 0, 0], vec![played("c", broken)]);
        assert_eq!(report.fault().as_deref(), Some("c: gcc: exit status: 1"));
        assert_eq!(report.missing(), None);
    }

    #[test]
    fn each_difference_is_shown_then_what_was_skipped_then_the_table() {
        let difference = Difference {
            place: "outcome.status".to_owned(),
            expected: "\"ok\"".to_owned(),
            got: "\"tls\"".to_owned(),
        };
        let mut rust = played("rust", None);
        rust.passed = [1, 2, 0];
        rust.failed.push(Failed {
            title: "tls: a".to_owned(),
            differences: vec![difference],
        });
        rust.skipped.push(("tls: b".to_owned(), "why".to_owned()));
        let report = Report::of([3, 2, 1], vec![rust]);
        assert_eq!(report.fault().as_deref(), Some("1 cases failed"));
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
