//! The files that an import keeps beside its input: the journal, and the list of who failed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::CommandError;

/// What stands for the name of the input where it is standard input.
const STDIN: &str = "imtag-stdin";

#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) journal: PathBuf,
    pub(crate) failed: PathBuf,
}

impl Files {
    /// Those that are given, or else the input's name with `.journal` and `.failed.ndjson` after it.
    ///
    /// # Errors
    /// Where one of them is the input itself.
    pub(crate) fn of(
        input: &Path,
        journal: Option<&Path>,
        failed: Option<&Path>,
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
        };
        for (flag, file) in [("--journal", &files.journal), ("--failed", &files.failed)] {
            if is_same(input, file) {
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
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path| fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_lie_beside_the_input_where_no_other_path_is_given() {
        let files = Files::of(Path::new("data/users.csv"), None, None).unwrap();
        assert_eq!(files.journal, Path::new("data/users.csv.journal"));
        assert_eq!(files.failed, Path::new("data/users.csv.failed.ndjson"));
        let files = Files::of(Path::new("-"), None, Some(Path::new("f"))).unwrap();
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
        for given in [&input, &link] {
            assert!(Files::of(&input, Some(given), None).is_err());
            assert!(Files::of(&input, None, Some(given)).is_err());
        }
    }
}
