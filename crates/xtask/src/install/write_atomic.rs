//! Atomic writes: a file is replaced as a whole or not at all, so that a program that runs on the old library goes on. A
//! file that has the content already is left alone, so that its time shows when it changed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

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
        Content::Copy(source, mode) => copy(path, source, *mode),
        Content::Link(to) => link(path, to),
        Content::Text(text) => write(path, text.as_bytes(), 0o644),
    };
    done.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Says what stands in the way of writing into a folder, before there is something to write.
pub(crate) fn can_write(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".imtag.{}", std::process::id()));
    write_atomic(&probe, &Content::Text(String::new()))?;
    fs::remove_file(&probe).map_err(|error| format!("cannot remove {}: {error}", probe.display()))
}

fn copy(path: &Path, source: &Path, mode: u32) -> io::Result<bool> {
    let bytes = fs::read(source).map_err(|error| {
        let source = source.display();
        io::Error::new(error.kind(), format!("cannot read {source}: {error}"))
    })?;
    write(path, &bytes, mode)
}

fn link(path: &Path, to: &str) -> io::Result<bool> {
    if fs::read_link(path).is_ok_and(|there| there == Path::new(to)) {
        return Ok(false);
    }
    replace(path, |new| symlink(to, new))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|there| there.is_file());
    if is_file && fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    replace(path, |new| {
        fs::write(new, bytes)?;
        fs::set_permissions(new, Permissions::from_mode(mode))
    })
}

/// Makes a file beside `path`, then gives it that name.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&new); // of a run that was killed, whose number came round again
    let done = make(&new).and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        let _ = fs::remove_file(&new); // the error that counts is the one above
    }
    done.map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_twice_is_there_once_with_nothing_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, to) = (folder.path().join("source"), folder.path().join("to"));
        fs::write(&source, "one").unwrap();
        for is_new in [true, false] {
            for (name, content) in [
                ("copy", Content::program(&source)),
                ("link", Content::Link("copy".into())),
                ("text", Content::Text("two".into())),
            ] {
                assert_eq!(write_atomic(&to.join(name), &content), Ok(is_new));
            }
        }
        assert_eq!(fs::read(to.join("link")).unwrap(), b"one");
        assert_eq!(fs::read(to.join("text")).unwrap(), b"two");
        let permissions = fs::metadata(to.join("copy")).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o755);
        can_write(&to).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_changed_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (source, to) = (folder.path().join("source"), folder.path().join("to"));
        for text in ["one", "three", "seven"] {
            fs::write(&source, text).unwrap();
            write_atomic(&to, &Content::file(&source)).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_written_or_read_is_named() {
        let text = Content::Text("x".into());
        let missing = Content::file(Path::new("/no/such"));
        for (done, expected) in [
            (
                can_write(Path::new("/dev/null/lib")).err(),
                "cannot write /dev/null/lib/.imtag.",
            ),
            (
                write_atomic(Path::new("/dev/null/x"), &text).err(),
                "cannot write /dev/null/x: ",
            ),
            (
                write_atomic(Path::new("/tmp/x"), &missing).err(),
                "cannot write /tmp/x: cannot read /no/such: ",
            ),
        ] {
            let error = done.unwrap();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
