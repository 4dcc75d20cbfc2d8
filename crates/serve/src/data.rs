//! The folder of what outlasts a daemon.
//!
//! ```text
//! imtag-daemon  whose folder it is, and its format; without it only an empty folder is taken
//! local-key     what callers over TCP sign their UserSigs with, in place of the app's key
//! ca-key.pem    the key of the certificate authority, so that its certificate is trusted after a restart too
//! ca.pem        that certificate, for clients
//! queue-app     the app that these are of
//! queue.sqlite  changes that last, with queue.sqlite-wal beside it
//! late          until when requests that were not answered may arrive (`predecessor.rs`)
//! ```
//!
//! One daemon at a time has it. A secret that was removed is made anew when it is next read.

use std::io;
use std::path::{Path, PathBuf};

use imtag_core::{InvalidSecret, SdkAppId, SecretKey};
use imtag_local_server::{Authority, KeptFiles, KeptFilesError, Names, TlsError, random_key};
use imtag_queue::{OpenError, Queue, Store};

const ABOUT: &str = "imtag-daemon";
const FORMAT: &str = "format 1";
const LOCAL_KEY: &str = "local-key";
/// The app whose changes the queue has.
const QUEUE_APP: &str = "queue-app";
const CA_KEY: &str = "ca-key.pem";
const CA: &str = "ca.pem";

/// What the authority vouches for.
const SERVER: &str = "imtag daemon";

/// The folder of a daemon; locked.
#[derive(Debug)]
pub struct Data {
    files: KeptFiles,
}

/// Why a folder cannot be used for a daemon's data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Its files cannot be kept there.
    #[error(transparent)]
    Files(#[from] KeptFilesError),
    /// A later version wrote it.
    #[error("the data in {path} are of a format that this version does not know: use a later one")]
    Format {
        /// The folder.
        path: PathBuf,
    },
    /// The local key cannot be one.
    #[error("{path} holds no key: remove it, and a new one is made")]
    LocalKey {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidSecret,
    },
    /// No daemon has kept anything there.
    #[error("{path} is no folder of a daemon: give the one that it was started with (--data)")]
    NotThere {
        /// The folder.
        path: PathBuf,
    },
    /// The changes in it are of another app, whose users they would not tag.
    #[error("the changes in {path} are of the app {of}: use its settings, or another folder")]
    App {
        /// The folder.
        path: PathBuf,
        /// The app that it is of.
        of: String,
    },
    /// There is no queue.
    #[error(transparent)]
    Queue(#[from] OpenError),
    /// The system gives no random numbers.
    #[error("cannot make a key")]
    Random(#[source] io::Error),
    /// There is no certificate.
    #[error(
        "cannot make a certificate by the key in {path}: remove the file, and a new authority is made"
    )]
    Certificate {
        /// The file of the authority's key.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
}

impl DataError {
    /// True where another daemon uses the folder.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, DataError::Files(KeptFilesError::InUse { .. }))
    }

    /// True where this machine denies it, or another daemon is in the way; false where the wrong folder was given.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            DataError::Files(error) => error.is_denied(),
            DataError::Queue(error) => error.is_denied(),
            DataError::Random(_) => true,
            _ => false,
        }
    }
}

impl Data {
    /// The name of that [file](Data::late_file).
    pub const LATE: &str = "late";

    /// Makes the folder where there is none, locks it, and refuses another's.
    ///
    /// # Errors
    /// Where it is not a daemon's, or the system denies it.
    pub fn open(path: &Path) -> Result<Data, DataError> {
        let files = KeptFiles::open(path, "daemon")?;
        match files.text(ABOUT)? {
            Some(text) if text.trim_end() == FORMAT => {}
            Some(_) => {
                return Err(DataError::Format {
                    path: path.to_owned(),
                });
            }
            None => {
                files.refuse_others(&[])?;
                files.write_new(ABOUT, format!("{FORMAT}\n").as_bytes())?;
            }
        }
        Ok(Data { files })
    }

    /// Locks the folder of a daemon that does not run.
    ///
    /// # Errors
    /// Where it is none, or the system denies it.
    pub fn existing(path: &Path) -> Result<Data, DataError> {
        if !path.join(ABOUT).exists() {
            return Err(DataError::NotThere {
                path: path.to_owned(),
            });
        }
        Data::open(path)
    }

    /// The file of what a daemon leaves to the [next](crate::Predecessor).
    #[must_use]
    pub fn late_file(&self) -> PathBuf {
        self.files.file(Data::LATE)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// The key that callers are given in place of the app's.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn local_key(&self) -> Result<SecretKey, DataError> {
        let make = || random_key().map_err(DataError::Random);
        let key = self.files.secret(LOCAL_KEY, make)?;
        SecretKey::new(key).map_err(|source| DataError::LocalKey {
            path: self.local_key_file(),
            source,
        })
    }

    /// The changes that last of an app. Nothing is sent before a daemon has it.
    ///
    /// # Errors
    /// Where they are another app's, or its file cannot be made or read.
    pub fn queue(&self, app: SdkAppId, limits: imtag_queue::Settings) -> Result<Queue, DataError> {
        match self.files.text(QUEUE_APP)? {
            Some(of) if of.trim_end() == app.to_string() => {}
            Some(of) => {
                return Err(DataError::App {
                    path: self.files.path().to_owned(),
                    of: of.trim_end().to_owned(),
                });
            }
            None => self
                .files
                .write_new(QUEUE_APP, format!("{app}\n").as_bytes())?,
        }
        Ok(Queue::open(&self.files, limits)?)
    }

    /// The same while no daemon runs, to be looked at.
    ///
    /// # Errors
    /// Where its file is not there, or cannot be read.
    pub fn stored(&self) -> Result<Store, DataError> {
        Ok(Store::open(&self.files)?)
    }

    /// Where that is.
    #[must_use]
    pub fn local_key_file(&self) -> PathBuf {
        self.files.file(LOCAL_KEY)
    }

    /// TLS for these names, by the authority that is kept here. The server's certificate is made anew.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn authority(&self, names: &Names) -> Result<Authority, DataError> {
        let failed = |source| DataError::Certificate {
            path: self.files.file(CA_KEY),
            source,
        };
        // before anything is written: it may be refused
        let kept = self.files.certificate(CA)?;
        let key = self
            .files
            .secret(CA_KEY, || Authority::key().map_err(failed))?;
        let authority = Authority::new(SERVER, &key, kept.clone(), names).map_err(failed)?;
        if kept.as_deref() != Some(authority.ca_pem()) {
            self.files.keep_certificate(CA, authority.ca_pem())?;
        }
        Ok(authority)
    }

    /// Where the authority's certificate is.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.files.file(CA)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names() -> Names {
        Names::new(&[], "127.0.0.1:0", Ipv4Addr::LOCALHOST.into(), &[]).unwrap()
    }

    #[test]
    fn key_and_authority_outlast_the_daemon_and_the_secrets_are_its_owners() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let read = || {
            let data = Data::open(&path).unwrap();
            data.local_key().unwrap();
            let ca = data.authority(&names()).unwrap().ca_pem().to_owned();
            (fs::read_to_string(data.local_key_file()).unwrap(), ca)
        };
        let first = read();
        assert_eq!(read(), first);
        assert_eq!(fs::read_to_string(path.join("ca.pem")).unwrap(), first.1);
        for (name, mode) in [
            (".", 0o700),
            ("local-key", 0o600),
            ("ca-key.pem", 0o600),
            ("ca.pem", 0o644),
        ] {
            let found = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{name}");
        }
        fs::remove_file(path.join("local-key")).unwrap();
        assert_ne!(read().0, first.0, "one that was removed is made anew");
    }

    #[test]
    fn a_folder_of_others_of_a_later_version_or_in_use_is_refused_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let refused = |name: &str, file: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(file), text).unwrap();
            let error = Data::open(&path).unwrap_err();
            assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
            assert!(!error.is_denied());
            error.to_string()
        };
        assert!(refused("mine", "thesis.txt", "x").contains("other files than an imtag daemon's"));
        assert!(refused("emulator", "emulator.json", "{}").contains("other files"));
        assert!(refused("later", "imtag-daemon", "format 2\n").contains("use a later one"));
        let path = home.path().join("data");
        let _first = Data::open(&path).unwrap();
        let error = Data::open(&path).unwrap_err();
        assert!(error.is_denied() && error.to_string().starts_with("another daemon uses"));
    }

    #[test]
    fn what_is_damaged_is_refused_without_its_content() {
        let home = tempfile::tempdir().unwrap();
        let data = Data::open(home.path()).unwrap();
        fs::write(data.local_key_file(), "hush hush\nhush").unwrap();
        let error = data.local_key().unwrap_err();
        assert!(error.to_string().contains("local-key holds no key"));
        fs::write(home.path().join("ca-key.pem"), "hush").unwrap();
        let other = data.authority(&names()).err().unwrap();
        assert!(other.to_string().contains("ca-key.pem"));
        for error in [error, other] {
            let source = std::error::Error::source(&error).unwrap();
            assert!(!format!("{error} {source} {error:?}").contains("hush"));
        }
        fs::write(data.ca_file(), "mine").unwrap();
        assert!(data.authority(&names()).is_err());
        assert_eq!(fs::read_to_string(data.ca_file()).unwrap(), "mine");
    }
}
