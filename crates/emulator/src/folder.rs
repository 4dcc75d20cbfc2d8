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
//! How files are written and read is the part of [`KeptFiles`]. Only users and an authority's certificate are ever
//! replaced.

use std::fs;
use std::path::Path;

use imtag_core::{Identifier, SdkAppId};
use imtag_local_server::{KeptFiles, KeptFilesError};
use serde::Deserialize;
use serde_json::json;

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
/// A folder that is an emulator's, or empty; locked.
pub(crate) struct Folder {
    pub(crate) files: KeptFiles,
    /// The app that the data are of; `None` in a new folder.
    pub(crate) owner: Option<Owner>,
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
        let files = KeptFiles::open(path, "emulator")?;
        let owner = owner(&files)?;
        if owner.is_none() {
            // of an emulator that was ended before it had written who it is
            files.refuse_others(&[USERS, USERS_LOG, USERS_LAST])?;
        }
        Ok(Folder { files, owner })
    }

    /// No start has written anything in it yet.
    pub(crate) fn is_new(&self) -> bool {
        let is_there = |name| fs::symlink_metadata(self.files.file(name)).is_ok();
        self.owner.is_none() && ![USERS, USERS_LOG, USERS_LAST].into_iter().any(is_there)
    }

    pub(crate) fn keep_owner(&self, owner: &Owner) -> Result<(), KeptFilesError> {
        let (sdkappid, identifier) = (owner.sdkappid.get(), owner.identifier.as_str());
        let about = json!({"format": FORMAT, "sdkappid": sdkappid, "identifier": identifier});
        self.files.write_new(ABOUT, format!("{about}\n").as_bytes())
    }
}

fn owner(files: &KeptFiles) -> Result<Option<Owner>, DataError> {
    let path = files.file(ABOUT);
    let Some(text) = files.text(ABOUT)? else {
        return Ok(None);
    };
    let about = serde_json::from_str(&text);
    let about: About = about.map_err(|error| DataError::damaged(&path, error))?;
    let folder = files.path().to_owned();
    match about.format {
        FORMAT => {}
        FJALL => return Err(DataError::Outdated { path: folder }),
        format => {
            return Err(DataError::Format {
                path: folder,
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

    fn owner() -> Owner {
        Owner {
            sdkappid: SdkAppId::new(7).unwrap(),
            identifier: Identifier::new("root").unwrap(),
        }
    }

    fn secret(folder: &Folder, value: &str) -> String {
        let made: Result<_, DataError> = folder.files.secret("secret-key", || Ok(value.to_owned()));
        made.unwrap()
    }

    #[test]
    fn the_app_of_the_data_is_read_again_or_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(folder.owner, None);
        folder.keep_owner(&owner()).unwrap();
        let read = || super::owner(&folder.files);
        assert_eq!(read().unwrap(), Some(owner()));
        let about = folder.files.file(ABOUT);
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
    fn what_an_emulator_did_not_make_in_its_folder_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let take = || Folder::open(&path).err().map(|error| error.to_string());
        assert_eq!(take(), None);
        let folder = Folder::open(&path).unwrap();
        fs::write(path.join("new"), "mine").unwrap();
        fs::write(path.join(".new-x"), "left by one that was killed").unwrap();
        assert_eq!(secret(&folder, "first"), "first");
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
