//! The folder that a lasting emulator keeps: whose it is, its secrets, and that no other emulator uses it.
//!
//! ```text
//! lock            held while an emulator runs; the system lets go of it when the process ends, however it ends
//! emulator.json   the app and its administrator; a folder without it is taken only where nothing else is in it
//! secret-key      the app's key, unless the builder was given one; for its owner alone
//! ca-key.pem      the key of the certificate authority, so that its certificate is trusted after a restart too
//! store/          the users
//! ```
//!
//! A file is written beside its place, brought to the disk, and then renamed, so it is there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imtag_core::{Identifier, SdkAppId};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// Of all that is in the folder. A later one may add fields, which this one ignores.
const FORMAT: u32 = 1;

const LOCK: &str = "lock";
const ABOUT: &str = "emulator.json";
const NEW: &str = "new";

/// A folder that is this emulator's until it is dropped.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Whose the data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
}

/// The same, as `emulator.json` has it.
#[derive(Serialize, Deserialize)]
struct About {
    format: u32,
    sdkappid: u32,
    identifier: String,
}

impl Folder {
    /// Takes a folder, and makes it where there is none.
    pub(crate) fn take(path: &Path) -> Result<Folder, DataError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| DataError::cannot("make the folder", path, error))?;
        refuse_foreign(path)?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| DataError::cannot("open", &lock_path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            Errno::WOULDBLOCK => DataError::InUse {
                path: path.to_owned(),
            },
            other => DataError::cannot("lock", &lock_path, other.into()),
        })?;
        Ok(Folder {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whose the data are; `None` in a new folder.
    pub(crate) fn owner(&self) -> Result<Option<Owner>, DataError> {
        let Some(text) = self.read(ABOUT)? else {
            return Ok(None);
        };
        let path = self.file(ABOUT);
        let about: About =
            serde_json::from_str(&text).map_err(|error| DataError::damaged(&path, error))?;
        if about.format != FORMAT {
            return Err(DataError::Format {
                path: self.path.clone(),
                format: about.format,
            });
        }
        let sdkappid = SdkAppId::new(about.sdkappid);
        let identifier = Identifier::new(about.identifier);
        Ok(Some(Owner {
            sdkappid: sdkappid.map_err(|error| DataError::damaged(&path, error))?,
            identifier: identifier.map_err(|error| DataError::damaged(&path, error))?,
        }))
    }

    pub(crate) fn keep_owner(&self, owner: &Owner) -> Result<(), DataError> {
        let about = About {
            format: FORMAT,
            sdkappid: owner.sdkappid.get(),
            identifier: owner.identifier.as_str().to_owned(),
        };
        let text = serde_json::to_string(&about).expect("a number and strings are JSON");
        self.write(ABOUT, &text)
    }

    /// The secret of this name; made and kept where there is none yet. Its file is for its owner alone, also where
    /// somebody has opened it since.
    pub(crate) fn secret<E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E>
    where
        E: From<DataError>,
    {
        if let Some(text) = self.read(name)? {
            let path = self.file(name);
            fs::set_permissions(&path, Permissions::from_mode(0o600))
                .map_err(|error| DataError::cannot("close to others", &path, error))?;
            return Ok(text.trim_end().to_owned());
        }
        let secret = make()?;
        self.write(name, &secret)?;
        Ok(secret)
    }

    fn read(&self, name: &str) -> Result<Option<String>, DataError> {
        let path = self.file(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataError::cannot("read", &path, error)),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DataError> {
        let path = self.file(name);
        let beside = self.file(NEW);
        let written = write_private(&beside, text)
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| File::open(&self.path)?.sync_all());
        written.map_err(|error| DataError::cannot("write", &path, error))
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Nothing is ever written among files that are somebody else's.
fn refuse_foreign(path: &Path) -> Result<(), DataError> {
    let cannot = |error| DataError::cannot("read the folder", path, error);
    if path.join(ABOUT).try_exists().map_err(cannot)? {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        // What an emulator leaves that was ended before it had written the file.
        if name != LOCK && name != NEW {
            return Err(DataError::Foreign {
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn secret(folder: &Folder, value: &str) -> String {
        let made: Result<_, DataError> = folder.secret("secret-key", || Ok(value.to_owned()));
        made.unwrap()
    }

    #[test]
    fn a_secret_is_made_once_and_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/data");
        let folder = Folder::take(&path).unwrap();
        assert_eq!(secret(&folder, "first"), "first");
        assert_eq!(secret(&folder, "second"), "first");
        let file = folder.file("secret-key");
        assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secret(&folder, "third"), "first");
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_folder_is_one_emulators_until_that_lets_go_of_it() {
        let home = tempfile::tempdir().unwrap();
        let first = Folder::take(home.path()).unwrap();
        let error = Folder::take(home.path()).err().unwrap();
        assert!(matches!(error, DataError::InUse { .. }), "{error}");
        drop(first);
        Folder::take(home.path()).unwrap();
    }

    #[test]
    fn a_folder_of_somebody_elses_is_refused_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "mine").unwrap();
        let error = Folder::take(home.path()).err().unwrap();
        assert!(matches!(error, DataError::Foreign { .. }), "{error}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let error = Folder::take(&home.path().join("thesis.txt")).err().unwrap();
        assert!(matches!(error, DataError::Cannot { .. }), "{error}");
    }

    #[test]
    fn a_file_that_says_whose_the_data_are_is_read_again_or_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::take(home.path()).unwrap();
        assert_eq!(folder.owner().unwrap(), None);
        let owner = Owner {
            sdkappid: SdkAppId::new(7).unwrap(),
            identifier: Identifier::new("root").unwrap(),
        };
        folder.keep_owner(&owner).unwrap();
        assert_eq!(folder.owner().unwrap(), Some(owner));
        let about = folder.file(ABOUT);
        fs::write(&about, r#"{"format":2,"sdkappid":7,"identifier":"root"}"#).unwrap();
        let error = folder.owner().unwrap_err();
        assert!(matches!(error, DataError::Format { format: 2, .. }));
        fs::write(&about, "{").unwrap();
        let error = folder.owner().unwrap_err();
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    }
}
