//! The files that outlast a server, in a folder of its own: secrets, a certificate, and what else it keeps.
//!
//! The folder is locked while a server has it, and free when its process ends, however it ends.
//!
//! A file is written beside its place, brought to the disk, and then renamed, so it is there whole or not at all. What
//! is there is read, or refused: only an authority's certificate is ever replaced, and no link is followed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::{NamedTempFile, PersistError};
use tokio_rustls::rustls::crypto::ring;

use crate::certificate::is_ca_pem;

/// How the name of a file starts while it is written. A server that is killed meanwhile leaves it.
const NEW: &str = ".new-";

/// What a file system puts into the first folder of a volume.
const OF_VOLUME: &str = "lost+found";

/// A folder of one server's files; locked.
#[derive(Debug)]
pub struct KeptFiles {
    path: PathBuf,
    server: &'static str,
    /// Its lock, which ends with this handle.
    _lock: File,
}

/// Why a server cannot keep its files in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptFilesError {
    /// Another server uses it, in this process or another one.
    #[error("another {server} uses the data in {path}: stop it, or use another folder")]
    InUse {
        /// What kind of server.
        server: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// There is a file in its place, or in that of a folder above it.
    #[error("{path} is no folder: give the path of a folder, or one where nothing is")]
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// It holds other files.
    #[error("{path} holds other files than an imtag {server}'s: use a new or an empty folder")]
    Foreign {
        /// What kind of server.
        server: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// In place of one of its files is a link, or a file with a second name: what is written would go elsewhere.
    #[error(
        "{path} is no file of the {server}'s own but a link or something else: put the file itself there, or use \
         another folder"
    )]
    NoFile {
        /// What kind of server.
        server: &'static str,
        /// What should be a file.
        path: PathBuf,
    },
    /// Somebody else could put something in its place.
    #[error(
        "{path} could be changed by others, who would know the {server}'s secrets: it belongs to another user, or others may \
         write to it (chown and chmod go-w), or use a new folder"
    )]
    OfOthers {
        /// What kind of server.
        server: &'static str,
        /// The folder, or a file in it.
        path: PathBuf,
    },
    /// Another file is in place of the authority's certificate.
    #[error(
        "{path} is not the certificate of an imtag {server}, and stays as it is: move it away, or use another folder"
    )]
    NoCertificate {
        /// What kind of server.
        server: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error("cannot {action} {path}")]
    Cannot {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl KeptFilesError {
    /// The system refuses what was tried.
    #[must_use]
    pub fn cannot(action: &'static str, path: &Path, source: io::Error) -> KeptFilesError {
        KeptFilesError::Cannot {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// True where this machine denies it, or another server is in the way; false where the wrong folder was given.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            KeptFilesError::InUse { .. } | KeptFilesError::Cannot { .. }
        )
    }
}

impl KeptFiles {
    /// Makes the folder where there is none, and locks it. `server` is a kind of imtag's: `emulator`.
    ///
    /// # Errors
    /// Where it is no folder, another server has it, or the system denies it.
    pub fn open(path: &Path, server: &'static str) -> Result<KeptFiles, KeptFilesError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                KeptFilesError::NoFolder {
                    path: path.to_owned(),
                }
            }
            _ => KeptFilesError::cannot("make the folder", path, error),
        })?;
        let lock = File::open(path).map_err(|error| KeptFilesError::cannot("open", path, error))?;
        let folder = KeptFiles {
            path: path.to_owned(),
            server,
            _lock: lock,
        };
        let is_own = folder
            ._lock
            .metadata()
            .map(|it| is_own_folder(me(), it.uid(), it.mode()));
        if !is_own.map_err(|error| KeptFilesError::cannot("look at", path, error))? {
            return Err(folder.of_others(path.to_owned()));
        }
        folder.lock_by(&folder._lock)?;
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is, or would be.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder is not this server's.
    #[must_use]
    pub fn foreign(&self) -> KeptFilesError {
        KeptFilesError::Foreign {
            server: self.server,
            path: self.path.clone(),
        }
    }

    /// Another server uses the folder.
    #[must_use]
    pub fn in_use(&self) -> KeptFilesError {
        KeptFilesError::InUse {
            server: self.server,
            path: self.path.clone(),
        }
    }

    /// Refuses a folder in which there are other files than these. None of them is what is left of one that was being written
    /// when a server was killed; nor a socket, which holds nothing, and what is kept beside one (`imtag.sock.late`): a server
    /// may listen in its folder.
    ///
    /// # Errors
    /// Where it holds others, or the system denies to say.
    pub fn refuse_others(&self, own: &[&str]) -> Result<(), KeptFilesError> {
        let cannot = |error| KeptFilesError::cannot("read the folder", &self.path, error);
        let (mut sockets, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().map_err(cannot)?.is_socket() {
                sockets.push(name + ".");
            } else if !name.starts_with(NEW) && name != OF_VOLUME && !own.contains(&&*name) {
                others.push(name);
            }
        }
        others.retain(|name| !sockets.iter().any(|socket| name.starts_with(socket)));
        if others.is_empty() {
            Ok(())
        } else {
            Err(self.foreign())
        }
    }

    /// Locks a file of the folder, too: network file systems may have locks of files alone.
    ///
    /// # Errors
    /// Where another server has it.
    pub fn lock_by(&self, file: &File) -> Result<(), KeptFilesError> {
        if flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(self.in_use());
        }
        Ok(())
    }

    /// The text of a file; `None` where there is none.
    ///
    /// # Errors
    /// Where it is a link or no file, or cannot be read.
    pub fn text(&self, name: &str) -> Result<Option<String>, KeptFilesError> {
        Ok(self.read(name)?.map(|(_, text)| text))
    }

    /// A file to be read and written; `None` where there is none.
    ///
    /// # Errors
    /// Where it is a link or no file, or cannot be opened.
    pub fn own_file(&self, name: &str) -> Result<Option<File>, KeptFilesError> {
        self.open_file(name, OpenOptions::new().read(true).write(true), "open")
    }

    /// Refuses what would lead out of the folder, in place of a file that others open.
    ///
    /// # Errors
    /// Where a link or no file is there.
    pub fn refuse_link(&self, name: &str) -> Result<(), KeptFilesError> {
        if fs::symlink_metadata(self.file(name)).is_ok_and(|there| !is_own_file(&there)) {
            return Err(self.no_file(name));
        }
        Ok(())
    }

    /// The secret of this name; made and kept where there is none yet. Its file is for its owner alone, also where
    /// somebody has opened it since.
    ///
    /// # Errors
    /// Where it cannot be made, read or written.
    pub fn secret<E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E>
    where
        E: From<KeptFilesError>,
    {
        if let Some((file, text)) = self.read(name)? {
            let closed = close_to_others(&file);
            closed.map_err(|error| {
                KeptFilesError::cannot("close to others", &self.file(name), error)
            })?;
            return Ok(text.trim_end().to_owned());
        }
        let secret = make()?;
        self.write_new(name, format!("{secret}\n").as_bytes())?;
        Ok(secret)
    }

    /// The certificate of this server's authority that is in this file, if there is one. Nothing else is ever written
    /// over.
    ///
    /// # Errors
    /// Where another file is there, or it cannot be read.
    pub fn certificate(&self, name: &str) -> Result<Option<String>, KeptFilesError> {
        let of_authority =
            |text: &str| is_ca_pem(&format!("imtag {}", self.server), text.as_bytes());
        match self.text(name)? {
            Some(text) if of_authority(&text) => Ok(Some(text)),
            Some(text) if !text.is_empty() => Err(KeptFilesError::NoCertificate {
                server: self.server,
                path: self.file(name),
            }),
            _ => Ok(None),
        }
    }

    /// Keeps a certificate, for all to read, in place of the one that may be there.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep_certificate(&self, name: &str, pem: &str) -> Result<(), KeptFilesError> {
        let text = format!("{}\n", pem.trim_end());
        let put = |file: NamedTempFile, path: &Path| file.persist(path);
        self.write(name, text.as_bytes(), 0o644, put)
    }

    /// Writes a file that is not there yet, for its owner alone.
    ///
    /// # Errors
    /// Where it is there, or cannot be written.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), KeptFilesError> {
        let put = |file: NamedTempFile, path: &Path| file.persist_noclobber(path);
        self.write(name, bytes, 0o600, put)
    }

    fn write(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
        put: impl Fn(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), KeptFilesError> {
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
        write().map_err(|error| KeptFilesError::cannot("write", &path, error))
    }

    /// Opens a file, and never what it links to, or anything that could be waited for; `None` where there is none.
    fn open_file(
        &self,
        name: &str,
        options: &mut OpenOptions,
        action: &'static str,
    ) -> Result<Option<File>, KeptFilesError> {
        let path = self.file(name);
        match fs::symlink_metadata(&path) {
            Ok(it) if !is_own_file(&it) => return Err(self.no_file(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).expect("they are low bits");
        let opened = options.custom_flags(flags).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        match opened.map_err(|error| KeptFilesError::cannot(action, &path, error))? {
            (it, _) if !is_own_file(&it) => Err(self.no_file(name)),
            (it, _) if !is_of_nobody_else(me(), it.uid(), it.mode()) => Err(self.of_others(path)),
            (_, file) => Ok(Some(file)),
        }
    }

    /// A file and its text; `None` where there is none.
    fn read(&self, name: &str) -> Result<Option<(File, String)>, KeptFilesError> {
        let Some(mut file) = self.open_file(name, OpenOptions::new().read(true), "read")? else {
            return Ok(None);
        };
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| KeptFilesError::cannot("read", &self.file(name), error))?;
        Ok(Some((file, text)))
    }

    fn of_others(&self, path: PathBuf) -> KeptFilesError {
        KeptFilesError::OfOthers {
            server: self.server,
            path,
        }
    }

    fn no_file(&self, name: &str) -> KeptFilesError {
        KeptFilesError::NoFile {
            server: self.server,
            path: self.file(name),
        }
    }
}

/// Random bytes of the system.
///
/// # Errors
/// Where it gives none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let provider = ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "the system gives no random numbers",
        )
    })?;
    Ok(bytes)
}

/// A new key: 64 random hexadecimal digits, which are as many bytes as SHA-256 uses.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn random_key() -> io::Result<String> {
    let bytes: [u8; 32] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Neither a link nor a file with a second name, nor anything that could be waited for.
fn is_own_file(it: &fs::Metadata) -> bool {
    it.is_file() && it.nlink() == 1
}

/// Nobody else could put a file there, or in place of one: as ssh has it of its keys. A folder that root made for this user
/// is taken with any mode, as volumes of Kubernetes are: what others would put there is theirs, and refused by that.
fn is_own_folder(me: u32, owner: u32, mode: u32) -> bool {
    (owner == me && mode & 0o022 == 0) || (owner == 0 && me != 0)
}

/// Nobody else has made this file, or can write to it, but the group that a volume is of.
fn is_of_nobody_else(me: u32, owner: u32, mode: u32) -> bool {
    (owner == me || owner == 0) && mode & 0o002 == 0
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// For its owner alone, also where somebody has opened it to others since.
fn close_to_others(file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
#[path = "kept_files_tests.rs"]
mod tests;
