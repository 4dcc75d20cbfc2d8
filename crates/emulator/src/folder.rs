//! The folder of an emulator's data: the app that it is of, its secrets, and its users.
//!
//! ```text
//! users.db        the users; with users.db-wal, its log, while an emulator runs, and after a kill
//! users.last      which row of these is the last one
//! emulator.json   the app and its administrator; a folder without it is taken only where nothing else is in it
//! secret-key      the app's key, unless the builder was given one; for its owner alone
//! ca-key.pem      the key of the certificate authority, so that its certificate is trusted after a restart too
//! ca.pem          that certificate, for clients
//! ```
//!
//! The folder and its users.last are locked while an emulator runs, and free when its process ends, however it ends.
//!
//! A file is written beside its place, brought to the disk, and then renamed, so it is there whole or not at all. What
//! is there is read, or refused: only users and an authority's certificate are ever replaced, and no link is followed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imtag_core::{Identifier, SdkAppId};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::Deserialize;
use serde_json::json;
use tempfile::{NamedTempFile, PersistError};

use crate::error::DataError;

/// The format of all that is in the folder. A later one may add fields, which this one ignores.
const FORMAT: u32 = 2;
/// The one whose users were in fjall.
const FJALL: u32 = 1;

const ABOUT: &str = "emulator.json";
pub(crate) const USERS: &str = "users.db";
/// What SQLite has not brought into that file yet.
pub(crate) const USERS_LOG: &str = "users.db-wal";
/// Which row of it is the last one.
pub(crate) const USERS_LAST: &str = "users.last";
/// How the name of a file starts while it is written. An emulator that is killed meanwhile leaves it.
const NEW: &str = ".new-";

/// A folder that is an emulator's, or empty; locked.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// The app that the data are of; `None` in a new folder.
    pub(crate) owner: Option<Owner>,
    /// Its lock, which ends with this handle.
    _lock: File,
}

/// The app that the data are of, and its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
}

/// The same, as `emulator.json` has it.
#[derive(Deserialize)]
struct About {
    format: u32,
    sdkappid: u32,
    identifier: String,
}

impl Folder {
    /// Makes the folder where there is none, locks it, and refuses another's.
    pub(crate) fn open(path: &Path) -> Result<Folder, DataError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => DataError::NoFolder {
                path: path.to_owned(),
            },
            _ => DataError::cannot("make the folder", path, error),
        })?;
        let lock = File::open(path).map_err(|error| DataError::cannot("open", path, error))?;
        lock_for(path, &lock)?;
        let folder = Folder {
            path: path.to_owned(),
            owner: owner(path)?,
            _lock: lock,
        };
        if folder.owner.is_none() {
            folder.refuse_foreign()?;
        }
        Ok(folder)
    }

    /// No start has written anything in it yet.
    pub(crate) fn is_new(&self) -> bool {
        let is_there = |name| fs::symlink_metadata(self.file(name)).is_ok();
        self.owner.is_none() && ![USERS, USERS_LOG, USERS_LAST].into_iter().any(is_there)
    }

    pub(crate) fn foreign(&self) -> DataError {
        DataError::Foreign {
            path: self.path.clone(),
        }
    }

    /// A file to be read and written; `None` where there is none.
    pub(crate) fn own_file(&self, name: &str) -> Result<Option<File>, DataError> {
        open(
            &self.file(name),
            OpenOptions::new().read(true).write(true),
            "open",
        )
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Refuses what would lead out of the folder, in place of a file that others open.
    pub(crate) fn refuse_link(&self, name: &str) -> Result<(), DataError> {
        let path = self.file(name);
        if fs::symlink_metadata(&path).is_ok_and(|there| !is_own_file(&there)) {
            return Err(DataError::NoFile { path });
        }
        Ok(())
    }

    pub(crate) fn keep_owner(&self, owner: &Owner) -> Result<(), DataError> {
        let (sdkappid, identifier) = (owner.sdkappid.get(), owner.identifier.as_str());
        let about = json!({"format": FORMAT, "sdkappid": sdkappid, "identifier": identifier});
        self.write_new(ABOUT, format!("{about}\n").as_bytes())
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
        if let Some((file, text)) = read(&self.file(name))? {
            close_to_others(&file)
                .map_err(|error| DataError::cannot("close to others", &self.file(name), error))?;
            return Ok(text.trim_end().to_owned());
        }
        let secret = make()?;
        self.write_new(name, format!("{secret}\n").as_bytes())?;
        Ok(secret)
    }

    /// The certificate of an authority that is in this file, if there is one. Nothing else is ever written over.
    pub(crate) fn certificate(&self, name: &str) -> Result<Option<String>, DataError> {
        let path = self.file(name);
        match read(&path)? {
            Some((_, text)) if is_ca_pem(text.as_bytes()) => Ok(Some(text)),
            Some((_, text)) if !text.is_empty() => Err(DataError::NoCertificate { path }),
            _ => Ok(None),
        }
    }

    /// Keeps a certificate, for all to read, in place of the one that may be there.
    pub(crate) fn keep_certificate(&self, name: &str, pem: &str) -> Result<(), DataError> {
        let text = format!("{}\n", pem.trim_end());
        let put = |file: NamedTempFile, path: &Path| file.persist(path);
        self.write(name, text.as_bytes(), 0o644, put)
    }

    /// Writes a file that is not there yet, for its owner alone.
    pub(crate) fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let put = |file: NamedTempFile, path: &Path| file.persist_noclobber(path);
        self.write(name, bytes, 0o600, put)
    }

    fn write(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
        put: impl Fn(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), DataError> {
        let path = self.file(name);
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(NEW)
                .permissions(Permissions::from_mode(mode))
                .tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            put(file, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| DataError::cannot("write", &path, error))
    }

    /// Nothing is ever written among other files. What an emulator leaves that was ended before it had written its first
    /// file is none of these.
    fn refuse_foreign(&self) -> Result<(), DataError> {
        let cannot = |error| DataError::cannot("read the folder", &self.path, error);
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with(NEW) && ![USERS, USERS_LOG, USERS_LAST].contains(&&*name) {
                return Err(self.foreign());
            }
        }
        Ok(())
    }
}

/// Locks a folder, or a file in it. Network file systems may have locks of files alone.
pub(crate) fn lock_for(folder: &Path, file: &File) -> Result<(), DataError> {
    if flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(DataError::InUse {
            path: folder.to_owned(),
        });
    }
    Ok(())
}

fn owner(folder: &Path) -> Result<Option<Owner>, DataError> {
    let path = folder.join(ABOUT);
    let Some((_, text)) = read(&path)? else {
        return Ok(None);
    };
    let about = serde_json::from_str(&text);
    let about: About = about.map_err(|error| DataError::damaged(&path, error))?;
    match about.format {
        FORMAT => {}
        FJALL => {
            return Err(DataError::Outdated {
                path: folder.to_owned(),
            });
        }
        format => {
            return Err(DataError::Format {
                path: folder.to_owned(),
                format,
            });
        }
    }
    let sdkappid = SdkAppId::new(about.sdkappid);
    let identifier = Identifier::new(about.identifier);
    Ok(Some(Owner {
        sdkappid: sdkappid.map_err(|error| DataError::damaged(&path, error))?,
        identifier: identifier.map_err(|error| DataError::damaged(&path, error))?,
    }))
}

/// Opens a file, and never what it links to, or anything that could be waited for; `None` where there is none.
fn open(
    path: &Path,
    options: &mut OpenOptions,
    action: &'static str,
) -> Result<Option<File>, DataError> {
    let no_file = || DataError::NoFile {
        path: path.to_owned(),
    };
    match fs::symlink_metadata(path) {
        Ok(it) if !is_own_file(&it) => return Err(no_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("they are low bits");
    let opened = options.custom_flags(flags).open(path);
    let opened = opened.and_then(|file| Ok((is_own_file(&file.metadata()?), file)));
    match opened.map_err(|error| DataError::cannot(action, path, error))? {
        (true, file) => Ok(Some(file)),
        (false, _) => Err(no_file()),
    }
}

/// Neither a link nor a file with a second name, nor anything that could be waited for.
fn is_own_file(it: &fs::Metadata) -> bool {
    it.is_file() && it.nlink() == 1
}

/// A file and its text; `None` where there is none.
fn read(path: &Path) -> Result<Option<(File, String)>, DataError> {
    let Some(mut file) = open(path, OpenOptions::new().read(true), "read")? else {
        return Ok(None);
    };
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| DataError::cannot("read", path, error))?;
    Ok(Some((file, text)))
}

/// For its owner alone, also where somebody has opened it to others since.
fn close_to_others(file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

/// What the authority vouches for.
pub(crate) const SERVER: &str = "imtag emulator";

/// True for the certificate of an emulator's authority in PEM, and nothing else beside it: such a file may be written
/// over by the next one's.
#[must_use]
pub fn is_ca_pem(text: &[u8]) -> bool {
    imtag_local_server::is_ca_pem(SERVER, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn owner() -> Owner {
        Owner {
            sdkappid: SdkAppId::new(7).unwrap(),
            identifier: Identifier::new("root").unwrap(),
        }
    }

    fn secret(folder: &Folder, value: &str) -> String {
        let made: Result<_, DataError> = folder.secret("secret-key", || Ok(value.to_owned()));
        made.unwrap()
    }

    #[test]
    fn a_secret_is_made_once_and_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/data");
        let folder = Folder::open(&path).unwrap();
        assert_eq!(secret(&folder, "first"), "first");
        assert_eq!(secret(&folder, "second"), "first");
        let file = folder.file("secret-key");
        assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secret(&folder, "third"), "first");
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "mine").unwrap();
        let error = Folder::open(home.path()).err().unwrap();
        assert!(matches!(error, DataError::Foreign { .. }), "{error}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let error = Folder::open(&home.path().join("thesis.txt")).err().unwrap();
        assert!(matches!(error, DataError::NoFolder { .. }), "{error}");
    }

    #[test]
    fn the_app_of_the_data_is_read_again_or_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(folder.owner, None);
        folder.keep_owner(&owner()).unwrap();
        let read = || super::owner(home.path());
        assert_eq!(read().unwrap(), Some(owner()));
        let about = folder.file(ABOUT);
        let refused = |format: u32| {
            let other = format!(r#"{{"format":{format},"sdkappid":7,"identifier":"root"}}"#);
            fs::write(&about, other).unwrap();
            read().unwrap_err().to_string()
        };
        assert!(refused(3).contains("of format 3, which this version does not know"));
        assert!(refused(1).contains("users in fjall: start anew in another folder"));
        fs::write(&about, "{").unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    }

    #[test]
    fn no_link_and_no_second_name_is_followed_out_of_the_folder() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let mine = home.path().join("mine");
        Folder::open(&path).unwrap().keep_owner(&owner()).unwrap();
        fs::write(&mine, "my own key").unwrap();
        fs::set_permissions(&mine, Permissions::from_mode(0o644)).unwrap();
        let key = path.join("secret-key");
        let refused = |make: &dyn Fn()| {
            make();
            let folder = Folder::open(&path).unwrap();
            let made: Result<String, DataError> = folder.secret("secret-key", || Ok("k".into()));
            let error = made.unwrap_err();
            assert!(matches!(error, DataError::NoFile { .. }), "{error}");
            fs::remove_file(&key).unwrap();
        };
        refused(&|| symlink(&mine, &key).unwrap());
        refused(&|| symlink("nowhere", &key).unwrap());
        refused(&|| fs::hard_link(&mine, &key).unwrap());
        assert_eq!(mode(&mine), 0o644);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "my own key");
        let about = path.join(ABOUT);
        fs::remove_file(&about).unwrap();
        symlink(&mine, &about).unwrap();
        let error = Folder::open(&path).err().unwrap();
        assert!(matches!(error, DataError::NoFile { .. }), "{error}");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "my own key");
    }

    #[test]
    fn what_an_emulator_did_not_make_in_its_folder_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let take = || Folder::open(&path).err().map(|error| error.to_string());
        assert_eq!(take(), None);
        let folder = Folder::open(&path).unwrap();
        fs::write(path.join("new"), "mine").unwrap();
        fs::write(path.join(".new-x"), "left by one that was killed").unwrap();
        assert_eq!(secret(&folder, "first"), "first");
        assert!(folder.write_new("secret-key", b"second").is_err());
        drop(folder);
        assert!(take().unwrap().contains("holds other files"));
        let about = r#"{"format":2,"sdkappid":7,"identifier":"root"}"#;
        fs::write(path.join(ABOUT), about).unwrap();
        assert_eq!(take(), None);
        for name in ["new", ".new-x"] {
            assert!(path.join(name).exists(), "{name}");
        }
        let kept = fs::read_to_string(path.join("secret-key")).unwrap();
        assert_eq!(kept, "first\n");
    }
}
