//! A file system of a few megabytes, which can be full: a tmpfs in a mount namespace of its own, so that it needs no right to
//! mount where a user may have namespaces, and is gone with the process that holds it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::program::{Missing, Running};

/// Mounts it, and holds it until the end of its standard input.
const SCRIPT: &str =
    r#"mount -t tmpfs -o "size=$2,mode=0700" imtag-chaos "$1" && echo mounted && exec cat"#;

pub(super) struct SmallDisk {
    holder: Running,
    /// Where it is, for those who have entered.
    folder: PathBuf,
    /// A user's own namespace, in which it may mount.
    is_of_user: bool,
}

impl SmallDisk {
    /// Of so many MiB, mounted on a folder that is there.
    pub(super) fn mount(folder: &Path, mebibytes: u32) -> Result<SmallDisk, Error> {
        let mut why = String::new();
        for is_of_user in [false, true] {
            let mut unshare = Command::new("unshare");
            if is_of_user {
                unshare.arg("--map-root-user");
            }
            unshare
                .args(["--mount", "sh", "-c", SCRIPT, "sh"])
                .arg(folder);
            unshare.arg(format!("{mebibytes}m")).stdin(Stdio::piped());
            unshare.stderr(Stdio::null());
            match Running::with_first_line(&mut unshare) {
                Ok((holder, line)) if line == "mounted\n" => {
                    return Ok(SmallDisk {
                        holder,
                        folder: folder.to_owned(),
                        is_of_user,
                    });
                }
                Ok(_) => {}
                Err(error) => why = format!(": {error}"),
            }
        }
        let why = format!("no small file system can be mounted here, as a disk that is full{why}");
        Err(Missing(why).into())
    }

    /// A command for a program that sees it.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.0.id().to_string(), "--mount"]);
        if self.is_of_user {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// The folder for a daemon's data, for those who have entered.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A file of it, for those who have not.
    fn outside(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.0.id());
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new(&root).join(folder).join(name)
    }

    /// Another program takes all that is left.
    pub(super) fn fill(&self) -> Result<(), Error> {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.outside("filler"))?;
        for size in [1 << 20, 4 << 10, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
        Ok(())
    }

    pub(super) fn free(&self) -> Result<(), Error> {
        Ok(fs::remove_file(self.outside("filler"))?)
    }
}

/// Whether this machine lets it be.
pub(super) fn needs() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    SmallDisk::mount(folder.path(), 1).map(drop)
}
