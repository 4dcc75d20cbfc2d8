//! The files that an import keeps beside its input: the journal, the list of who failed, and that of bad rows.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::failed_list::{LIST, ListPath};
use super::store::{BESIDE, JOURNAL, beside};
use crate::exit::CommandError;
use crate::import::bad_rows::BAD_ROWS;
use crate::ownership::{FileKind, folder_of};

/// The name of the input if it is standard input.
const STDIN: &str = "imtag-stdin";

#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) journal: PathBuf,
    pub(crate) failed: ListPath,
    /// None if no list of bad rows is kept.
    pub(crate) bad_rows: Option<PathBuf>,
}

impl Files {
    /// The paths that are given, or the input's name with `.journal`, `.failed.ndjson` and `.bad-rows.ndjson` after it.
    ///
    /// # Errors
    /// If one of them is the input or another one of them, or may not be written. The files are checked again when they are
    /// opened, after the input has been read.
    pub(crate) fn new(
        input: &Path,
        journal: Option<&Path>,
        failed: Option<&Path>,
        bad_rows: Option<&Path>,
    ) -> Result<Files, CommandError> {
        let named = match input.to_str() {
            Some("-") => Path::new(STDIN),
            _ => input,
        };
        let beside = |ending| beside(named, ending);
        let files = Files {
            journal: journal.map_or_else(|| beside(".journal"), Path::to_owned),
            failed: ListPath::new(failed.map_or_else(|| beside(".failed.ndjson"), Path::to_owned)),
            bad_rows: Some(bad_rows.map_or_else(|| beside(".bad-rows.ndjson"), Path::to_owned)),
        };
        files.check(input_metadata(input).ok().as_ref())?;
        Ok(files)
    }

    fn check(&self, input: Option<&Metadata>) -> Result<(), CommandError> {
        let beside = BESIDE.map(|(ending, kind)| (kind, beside(&self.journal, ending)));
        let beside = beside.iter().map(|(kind, path)| (kind, path.as_path()));
        let mut others: Vec<(&FileKind, &Path)> = beside.collect();
        let bad_rows = self.bad_rows.iter().map(|file| (&BAD_ROWS, file));
        let files = [(&JOURNAL, &self.journal), (&LIST, &self.failed.path)];
        for (kind, file) in files.into_iter().chain(bad_rows) {
            let there = fs::metadata(file).ok();
            let is_same = |(read, there): (&Metadata, &Metadata)| identity(read) == identity(there);
            if input.zip(there.as_ref()).is_some_and(is_same) {
                return Err(CommandError::usage(format!(
                    "{} is the file to import: give another path ({})",
                    file.display(),
                    kind.flag
                )));
            }
            let mut same = others.iter().filter(|(_, other)| is_same_path(file, other));
            if let Some((other, _)) = same.next() {
                return Err(CommandError::usage(format!(
                    "{} cannot be both {} and {}: give another path ({} or {})",
                    file.display(),
                    other.name,
                    kind.name,
                    other.flag,
                    kind.flag
                )));
            }
            kind.check(file)?;
            others.push((kind, file));
        }
        Ok(())
    }

    /// In a folder of their own, for an import that leaves nothing behind.
    #[cfg(feature = "emulator")]
    pub(crate) fn within(folder: &Path) -> Files {
        Files {
            journal: folder.join("journal"),
            failed: ListPath::new(folder.join("failed.ndjson")),
            bad_rows: None,
        }
    }
}

/// True if two paths lead to one file, even if it does not exist yet.
fn is_same_path(one: &Path, other: &Path) -> bool {
    let in_its_folder = |path: &Path| {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    match (in_its_folder(one), in_its_folder(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The metadata of standard input too: a list that is imported by a redirection has the name that its own list would get.
fn input_metadata(input: &Path) -> io::Result<Metadata> {
    match input.to_str() {
        Some("-") => File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata(),
        _ => fs::metadata(input),
    }
}

/// The same for all links to one file.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_lie_beside_the_input_where_no_other_path_is_given() {
        let files = Files::new(Path::new("data/users.csv"), None, None, None).unwrap();
        assert_eq!(files.journal, Path::new("data/users.csv.journal"));
        assert_eq!(files.failed.path, Path::new("data/users.csv.failed.ndjson"));
        let bad_rows = files.bad_rows.unwrap();
        assert_eq!(bad_rows, Path::new("data/users.csv.bad-rows.ndjson"));
        let files = Files::new(Path::new("-"), None, Some(Path::new("f")), None).unwrap();
        assert_eq!(files.journal, Path::new("imtag-stdin.journal"));
        assert_eq!(files.failed.path, Path::new("f"));
    }
}
