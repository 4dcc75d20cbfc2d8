//! What came of the cases: every difference, then a table of the languages, with calls, bulk runs and batchers apart.

use std::time::Duration;

use super::script::Kind;
use crate::error::Error;
use crate::program::Missing;

/// What became of the cases in a language.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) language: &'static str,
    /// Why it could not be played at all.
    pub(super) unready: Option<Error>,
    pub(super) took: Duration,
    /// How many of each kind.
    pub(super) passed: [usize; Kind::ALL.len()],
    /// The titles of the cases that did not end as they should, with the differences.
    pub(super) failed: Vec<(String, Vec<String>)>,
    /// The titles of the cases that the language cannot hold, with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

impl Played {
    pub(super) fn unready(language: &'static str, why: Error) -> Played {
        Played {
            language,
            unready: Some(why),
            ..Played::default()
        }
    }
}

/// Fails if a case failed or a runner could not be built; else with [`Missing`] if this machine lacks a language.
pub(super) fn verdict(played: &[Played]) -> Result<(), Error> {
    let failed: usize = played.iter().map(|played| played.failed.len()).sum();
    let mut faults = Vec::from_iter((failed > 0).then(|| format!("{failed} cases failed")));
    let mut missing = Vec::new();
    for Played {
        language, unready, ..
    } in played
    {
        match unready {
            Some(why) if why.is::<Missing>() => missing.push(format!("{language}: {why}")),
            Some(why) => faults.push(format!("{language}: {why}")),
            None => {}
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("; ").into());
    }
    if !missing.is_empty() {
        return Err(Missing(missing.join("; ")).into());
    }
    Ok(())
}

/// All of it as text, with the number of cases of each kind.
pub(super) fn table(cases: [usize; Kind::ALL.len()], played: &[Played]) -> String {
    let mut lines = Vec::new();
    for Played {
        language, failed, ..
    } in played
    {
        for (title, differences) in failed {
            lines.push(format!("{title} in {language}"));
            lines.extend(
                differences
                    .iter()
                    .map(|difference| format!("  {difference}")),
            );
        }
    }
    for Played {
        language, skipped, ..
    } in played
    {
        let skipped = skipped.iter();
        lines.extend(skipped.map(|(title, why)| format!("skipped in {language}: {title}: {why}")));
    }
    lines.push("passed         calls  bulk runs  batchers   failed  skipped  seconds".to_owned());
    let counts = |name: &str, [calls, bulk_runs, batchers]: [usize; Kind::ALL.len()]| {
        format!("{name:<12}  {calls:>6}  {bulk_runs:>9}  {batchers:>8}")
    };
    lines.push(counts("of", cases));
    for played in played {
        let (failed, skipped) = (played.failed.len(), played.skipped.len());
        lines.push(match &played.unready {
            Some(why) => format!("{:<12}  not played: {why}", played.language),
            None => format!(
                "{}  {failed:>7}  {skipped:>7}  {:>7.1}",
                counts(played.language, played.passed),
                played.took.as_secs_f32()
            ),
        });
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_case_or_a_broken_runner_is_a_fault_and_a_missing_language_is_not() {
        let verdict_on = |unready: [(&'static str, Error); 2]| {
            let played = unready.map(|(language, why)| Played::unready(language, why));
            let error = verdict(&played).unwrap_err();
            (error.to_string(), error.is::<Missing>())
        };
        let go = |_| ("go", Missing("there is no Go".to_owned()).into());
        let missing = "go: there is no Go; go: there is no Go".to_owned();
        assert_eq!(verdict_on([0, 1].map(go)), (missing, true));
        let broken = "c: gcc: exit status: 1".to_owned();
        assert_eq!(
            verdict_on([go(0), ("c", "gcc: exit status: 1".into())]),
            (broken, false)
        );
        assert!(verdict(&[Played::default()]).is_ok());
    }

    #[test]
    fn each_difference_is_shown_then_what_was_skipped_then_the_table() {
        let difference = "outcome.status\n    expected \"ok\"\n    got      \"tls\"";
        let rust = Played {
            language: "rust",
            took: Duration::from_millis(1_250),
            passed: [1, 2, 0],
            failed: vec![("tls: a".to_owned(), vec![difference.to_owned()])],
            skipped: vec![("tls: b".to_owned(), "why".to_owned())],
            unready: None,
        };
        let played = [rust, Played::unready("go", "no Go".into())];
        assert_eq!(
            table([3, 2, 1], &played),
            "tls: a in rust\n  outcome.status\n    expected \"ok\"\n    got      \"tls\"\n\
             skipped in rust: tls: b: why\n\
             passed         calls  bulk runs  batchers   failed  skipped  seconds\n\
             of                 3          2         1\n\
             rust               1          2         0        1        1      1.2\n\
             go            not played: no Go\n"
        );
        assert_eq!(
            verdict(&played).unwrap_err().to_string(),
            "1 cases failed; go: no Go"
        );
    }
}
