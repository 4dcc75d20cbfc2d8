//! Files of the folder: read and written, and never what a link or a second name leads to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use super::NEW;
use crate::error::DataError;

/// Writes a file that is not there yet, for its owner alone.
pub(super) fn write_new(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    beside(folder, text, 0o600)?.persist_noclobber(path)?;
    File::open(folder)?.sync_all()
}

/// Writes a file for all to read, in place of the one that may be there.
pub(super) fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    beside(folder, text, 0o644)?.persist(path)?;
    File::open(folder)?.sync_all()
}

fn beside(folder: &Path, text: &str, mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(NEW)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Opens a file, and never what it links to, or anything that could be waited for.
pub(super) fn open(
    path: &Path,
    options: &mut OpenOptions,
    action: &'static str,
) -> Result<File, DataError> {
    let no_file = || DataError::NoFile {
        path: path.to_owned(),
    };
    let is_file = |it: &fs::Metadata| it.is_file() && it.nlink() == 1;
    if fs::symlink_metadata(path).is_ok_and(|it| !is_file(&it)) {
        return Err(no_file());
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("they are low bits");
    let opened = options.custom_flags(flags).open(path);
    let opened = opened.and_then(|file| Ok((is_file(&file.metadata()?), file)));
    match opened.map_err(|error| DataError::cannot(action, path, error))? {
        (true, file) => Ok(file),
        (false, _) => Err(no_file()),
    }
}

/// A file and its text; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<(File, String)>, DataError> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let mut file = open(path, OpenOptions::new().read(true), "read")?;
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| DataError::cannot("read", path, error))?;
    Ok(Some((file, text)))
}

/// For its owner alone, also where somebody has opened it to others since.
pub(super) fn close_to_others(file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

/// What is in a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let cannot = |error| DataError::cannot("read the folder", folder, error);
    let entries = fs::read_dir(folder).map_err(cannot)?;
    let name = |entry: io::Result<fs::DirEntry>| {
        let name = entry.map_err(cannot)?.file_name();
        Ok(name.to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}
