//! The files that an import keeps beside its input: the journal, the list of who failed, and that of bad rows.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::failure::CommandError;

/// What stands for the name of the input where it is standard input.
const STDIN: &str = "imtag-stdin";

#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) journal: PathBuf,
    pub(crate) failed: PathBuf,
    /// None where no list of bad rows is to be kept.
    pub(crate) bad_rows: Option<PathBuf>,
}

impl Files {
    /// Those that are given, or else the input's name with `.journal`, `.failed.ndjson` and `.bad-rows.ndjson` after it.
    ///
    /// # Errors
    /// Where one of them is the input itself.
    pub(crate) fn of(
        input: &Path,
        journal: Option<&Path>,
        failed: Option<&Path>,
        bad_rows: Option<&Path>,
    ) -> Result<Files, CommandError> {
        let beside = |ending: &str| {
            let mut name = match input.to_str() {
                Some("-") => STDIN.into(),
                _ => input.as_os_str().to_owned(),
            };
            name.push(ending);
            PathBuf::from(name)
        };
        let files = Files {
            journal: journal.map_or_else(|| beside(".journal"), Path::to_owned),
            failed: failed.map_or_else(|| beside(".failed.ndjson"), Path::to_owned),
            bad_rows: Some(bad_rows.map_or_else(|| beside(".bad-rows.ndjson"), Path::to_owned)),
        };
        let read = input_metadata(input).ok();
        let bad_rows = files.bad_rows.iter().map(|file| ("--bad-rows", file));
        let others = [("--journal", &files.journal), ("--failed", &files.failed)];
        for (flag, file) in others.into_iter().chain(bad_rows) {
            let there = fs::metadata(file).ok();
            let is_same = |(read, there): (&Metadata, &Metadata)| identity(read) == identity(there);
            if read.as_ref().zip(there.as_ref()).is_some_and(is_same) {
                return Err(CommandError::Usage(format!(
                    "{} is the file to import: give another path ({flag})",
                    file.display()
                )));
            }
        }
        Ok(files)
    }

    /// In a folder of their own, for an import that leaves nothing behind.
    #[cfg(feature = "emulator")]
    pub(crate) fn within(folder: &Path) -> Files {
        Files {
            journal: folder.join("journal"),
            failed: folder.join("failed.ndjson"),
            bad_rows: None,
        }
    }
}

/// Of standard input too: a list that is imported by a redirection has the name that the next list would get.
fn input_metadata(input: &Path) -> io::Result<Metadata> {
    match input.to_str() {
        Some("-") => File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata(),
        _ => fs::metadata(input),
    }
}

/// Whatever links lead to it.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_lie_beside_the_input_where_no_other_path_is_given() {
        let files = Files::of(Path::new("data/users.csv"), None, None, None).unwrap();
        assert_eq!(files.journal, Path::new("data/users.csv.journal"));
        assert_eq!(files.failed, Path::new("data/users.csv.failed.ndjson"));
        let bad_rows = files.bad_rows.unwrap();
        assert_eq!(bad_rows, Path::new("data/users.csv.bad-rows.ndjson"));
        let files = Files::of(Path::new("-"), None, Some(Path::new("f")), None).unwrap();
        assert_eq!(files.journal, Path::new("imtag-stdin.journal"));
        assert_eq!(files.failed, Path::new("f"));
    }

    #[test]
    fn the_input_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("users.csv");
        fs::write(&input, "account,tag\n").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&input, &link).unwrap();
        let hard_link = folder.path().join("hard link");
        fs::hard_link(&input, &hard_link).unwrap();
        for given in [&input, &link, &hard_link] {
            assert!(Files::of(&input, Some(given), None, None).is_err());
            assert!(Files::of(&input, None, Some(given), None).is_err());
            assert!(Files::of(&input, None, None, Some(given)).is_err());
        }
    }
}
