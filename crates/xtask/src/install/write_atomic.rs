//! Atomic writes: a file is replaced as a whole or not at all, so that a program that runs on the old library goes on. A
//! file that has the content already is left alone, so that its time shows when it changed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// What is in a file.
pub(crate) enum Content {
    /// A copy of a file, with these permissions.
    Copy(PathBuf, u32),
    /// A link to a file beside it.
    Link(String),
    Text(String),
}

impl Content {
    pub(crate) fn file(source: &Path) -> Content {
        Content::Copy(source.to_owned(), 0o644)
    }

    pub(crate) fn program(source: &Path) -> Content {
        Content::Copy(source.to_owned(), 0o755)
    }
}

/// Puts `content` at `path`, with the folders that lead there: whether it had to be written. The error says what stands
/// in the way.
pub(crate) fn write_atomic(path: &Path, content: &Content) -> Result<bool, String> {
    let done = match content {
        Content::Copy(source, mode) => fs::read(source)
            .map_err(|error| {
                let source = source.display();
                io::Error::new(error.kind(), format!("cannot read {source}: {error}"))
            })
            .and_then(|bytes| write(path, &bytes, *mode)),
        Content::Link(to) => link(path, to),
        Content::Text(text) => write(path, text.as_bytes(), 0o644),
    };
    done.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Says what stands in the way of writing into a folder, before there is something to write.
pub(crate) fn can_write(folder: &Path) -> Result<(), String> {
    let probed = fs::create_dir_all(folder).and_then(|()| Builder::new().tempfile_in(folder));
    probed
        .map(drop)
        .map_err(|error| format!("cannot write {}: {error}", folder.display()))
}

fn link(path: &Path, to: &str) -> io::Result<bool> {
    if fs::read_link(path).is_ok_and(|there| there == Path::new(to)) {
        return Ok(false);
    }
    let new = Builder::new().make_in(folder(path)?, |new| symlink(to, new))?;
    new.persist(path)?;
    Ok(true)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|there| there.is_file());
    if is_file && fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let new = Builder::new().tempfile_in(folder(path)?)?;
    fs::write(&new, bytes)?;
    fs::set_permissions(&new, Permissions::from_mode(mode))?;
    new.persist(path)?;
    Ok(true)
}

/// The folder that a file lies in, made if it is not there.
fn folder(path: &Path) -> io::Result<&Path> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_twice_is_there_once_with_nothing_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, to) = (folder.path().join("source"), folder.path().join("to"));
        for (text, is_new) in [("one", true), ("one", false), ("three", true)] {
            fs::write(&source, text).unwrap();
            assert_eq!(
                write_atomic(&to.join("copy"), &Content::program(&source)),
                Ok(is_new)
            );
            assert_eq!(fs::read_to_string(to.join("copy")).unwrap(), text);
        }
        for is_new in [true, false] {
            for (name, content) in [
                ("link", Content::Link("copy".into())),
                ("text", Content::Text("two".into())),
            ] {
                assert_eq!(write_atomic(&to.join(name), &content), Ok(is_new));
            }
        }
        assert_eq!(fs::read(to.join("link")).unwrap(), b"three");
        let permissions = fs::metadata(to.join("copy")).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o755);
        can_write(&to).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
    }

    #[test]
    fn what_cannot_be_written_or_read_is_named() {
        let missing = write_atomic(Path::new("/tmp/x"), &Content::file(Path::new("/no/such")));
        let errors = [can_write(Path::new("/dev/null/lib")), missing.map(drop)];
        let starts = [
            "cannot write /dev/null/lib: ",
            "cannot write /tmp/x: cannot read /no/such: ",
        ];
        for (error, start) in errors.into_iter().zip(starts) {
            let error = error.unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
