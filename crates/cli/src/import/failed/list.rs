//! Reading the list back, line by line: for the report, and to find out whether a file is one.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use imtag_transport::Effect;
use serde::{Deserialize, Serialize};

use super::{FailedError, Failure, Op, by_name};
use crate::import::disk::DiskError;
use crate::import::line_form::LineForm;
use crate::output::Reason;

/// A failed user, as the list has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) account: String,
    pub(crate) op: Op,
    pub(crate) tags: Vec<String>,
    #[serde(flatten)]
    pub(crate) reason: Reason,
    #[serde(serialize_with = "by_name")]
    pub(crate) effect: Effect,
}

impl Listed {
    /// The same line, to be written or counted.
    pub(crate) fn with_failure<T>(&self, take: impl FnOnce(&Failure<'_>) -> T) -> T {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        take(&Failure {
            account: &self.account,
            op: self.op,
            tags: &tags,
            reason: &self.reason,
            effect: self.effect,
        })
    }
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    account: String,
    op: Op,
    tags: Vec<String>,
    code: Option<i32>,
    reason: String,
    remedy: String,
    effect: String,
}

/// The lines of a list, one after the other, and then those for which it had no place; nothing after the first error. A
/// list that is not there is empty, as a run without failures leaves none.
pub(crate) fn list(
    path: &Path,
    unwritten_failures: &[u8],
) -> Result<impl Iterator<Item = Result<Listed, FailedError>> + use<>, FailedError> {
    let unwritten_failures = Cursor::new(unwritten_failures.to_vec());
    let file: Box<dyn BufRead> = match File::open(path) {
        Ok(file) => Box::new(BufReader::new(file).chain(unwritten_failures)),
        Err(error) if error.kind() == ErrorKind::NotFound => Box::new(unwritten_failures),
        Err(error) => return Err(DiskError::denied(path, "read")(error).into()),
    };
    let mut lines = Lines {
        path: path.to_owned(),
        file: Some(file),
        line: 0,
        text: Vec::new(),
    };
    Ok(std::iter::from_fn(move || {
        let next = lines.next().transpose()?;
        if next.is_err() {
            lines.file = None;
        }
        Some(next)
    }))
}

struct Lines {
    path: PathBuf,
    /// None once there is nothing more to read.
    file: Option<Box<dyn BufRead>>,
    line: u64,
    text: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> Result<Option<Listed>, FailedError> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        self.text.clear();
        self.line += 1;
        let read = file.read_until(b'\n', &mut self.text);
        match read.map_err(DiskError::denied(&self.path, "read"))? {
            0 => Ok(None),
            _ => parse(&self.text)
                .map(Some)
                .map_err(|problem| FailedError::Line {
                    path: self.path.clone(),
                    line: self.line,
                    problem,
                }),
        }
    }
}

/// How many users there are in lines. Those of a user stand together.
pub(crate) fn count_users(lines: &[u8]) -> usize {
    let lines = lines.split(|byte| *byte == b'\n');
    let mut accounts: Vec<String> = lines
        .filter_map(|line| Some(parse(line).ok()?.account))
        .collect();
    accounts.dedup();
    accounts.len()
}

const FORM: LineForm = LineForm {
    start: b"{\"account\":\"",
    is_line,
    problem: |text| serde_json::from_slice::<Line>(text).err(),
};

/// Whether a file is a list.
pub(super) fn is_list(file: &mut File) -> io::Result<bool> {
    FORM.fits(file, false)
}

/// Whether a file goes on as a list from here on.
pub(super) fn is_rest_of_list(rest: &File) -> io::Result<bool> {
    FORM.fits(rest, true)
}

fn is_line(text: &[u8]) -> bool {
    parse(text).is_ok_and(|listed| {
        let mut written = Vec::with_capacity(text.len());
        listed.with_failure(|failure| failure.write(&mut written));
        written == text
    })
}

fn parse(text: &[u8]) -> Result<Listed, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let effects = [Effect::NotApplied, Effect::PossiblyApplied, Effect::Applied];
    let effect = effects.into_iter().find(|it| it.name() == line.effect);
    Ok(Listed {
        account: line.account,
        op: line.op,
        tags: line.tags,
        reason: Reason {
            code: line.code,
            reason: line.reason,
            remedy: Cow::Owned(line.remedy),
        },
        effect: effect.ok_or_else(|| format!("no effect is called {:?}", line.effect))?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::FailedFile;
    use super::super::tests::reason;
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut text = Vec::new();
        let (refused, ours) = (reason(), Reason::ours("time was up".to_owned(), "wait"));
        for (account, op, tags, reason, effect) in [
            (
                "bob\n",
                Op::Add,
                &["a", "北京"][..],
                &refused,
                Effect::NotApplied,
            ),
            ("eve", Op::Clear, &[], &ours, Effect::PossiblyApplied),
        ] {
            Failure {
                account,
                op,
                tags,
                reason,
                effect,
            }
            .write(&mut text);
        }
        let mut file = FailedFile::fresh(&path).unwrap();
        file.append(&text).unwrap();
        let listed: Result<Vec<_>, _> = list(&path, &[]).unwrap().collect();
        let listed = listed.unwrap();
        assert_eq!(
            listed,
            [
                Listed {
                    account: "bob\n".to_owned(),
                    op: Op::Add,
                    tags: vec!["a".to_owned(), "北京".to_owned()],
                    reason: refused,
                    effect: Effect::NotApplied,
                },
                Listed {
                    account: "eve".to_owned(),
                    op: Op::Clear,
                    tags: Vec::new(),
                    reason: ours,
                    effect: Effect::PossiblyApplied,
                },
            ]
        );
    }

    #[test]
    fn a_list_is_known_by_its_lines_also_where_the_last_is_cut_short() {
        let line = line().into_bytes();
        let is_list = |text: &[u8]| FORM.fits(text, false).unwrap();
        assert!(is_list(&line.repeat(3)));
        for end in 0..line.len() {
            assert!(is_list(&[&line, &line[..end]].concat()), "{end}");
            assert_eq!(
                is_list(&line[..end]),
                end == 0 || end == line.len() - 1,
                "no first line is cut short"
            );
        }
        assert!(is_list(&[&line[..], &[0; 4]].concat()));
    }

    #[test]
    fn what_people_and_other_programs_write_is_no_list() {
        let line = line();
        let spaced = line.replace("\":", "\": ");
        let more = line.replace("}\n", ",\"note\":\"call her\"}\n");
        let long = line.replace("bob", &"b".repeat(2 << 20));
        for text in [
            "account,tag\nbob,vip\n",
            "precious",
            "{",
            "\0\0\0\0",
            "\n",
            "{\"account\":\"bob\",\"tags\":[\"vip\"]}",
            "{\"account\":\"bob\",\"tags\":[\"vip\"]}\n",
            "{\"To_Account\":\"bob\",\"Tags\":[\"vip\"]}\n",
            &format!("{line}call bob\n"),
            &format!("{line}call bob"),
            &format!("{line}\n{line}"),
            &format!("call bob\n{line}"),
            &format!("\u{feff}{line}"),
            &line.replace('\n', "\r\n"),
            &spaced,
            &more,
            &long,
        ] {
            assert!(!FORM.fits(text.as_bytes(), false).unwrap(), "{text:.80}");
        }
    }

    /// As imtag writes it.
    fn line() -> String {
        let mut line = Vec::new();
        Failure {
            account: "bob",
            op: Op::Add,
            tags: &["a", "北京"],
            reason: &reason(),
            effect: Effect::NotApplied,
        }
        .write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_list_that_is_not_there_is_empty() {
        assert_eq!(list(Path::new("/no such file"), &[]).unwrap().count(), 0);
    }

    #[test]
    fn a_line_that_somebody_changed_is_named_and_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut good = Vec::new();
        let reason = reason();
        Failure {
            account: "bob",
            op: Op::Add,
            tags: &["a"],
            reason: &reason,
            effect: Effect::NotApplied,
        }
        .write(&mut good);
        let good = String::from_utf8(good).unwrap();
        let bad = good.replace("not applied", "maybe");
        std::fs::write(&path, format!("{good}{bad}{good}")).unwrap();
        let read: Vec<_> = list(&path, &[]).unwrap().collect();
        assert_eq!(read.len(), 2);
        let text = read[1].as_ref().unwrap_err().to_string();
        assert!(text.starts_with("line 2 of "), "{text}");
        assert!(text.contains("no effect is called \"maybe\""), "{text}");
    }
}
