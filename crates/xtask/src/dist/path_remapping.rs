//! Path remapping: rustc writes other paths in place of the folders of the building machine, and no artefact may name
//! them. They are useless to a reader of a panic on another machine, and private.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::cargo::root;
use crate::program::output;

/// Folders of this machine, each with what stands for it, the more special ones last.
pub(super) struct PathRemapping(Vec<(PathBuf, &'static str)>);

impl PathRemapping {
    pub(super) fn of_this_machine(target: &Path) -> Result<PathRemapping, Error> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let home = home.filter(|home| home.components().count() > 1);
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.or_else(|| Some(home.as_ref()?.join(".cargo")));
        let mut rustc = Command::new("rustc");
        let sysroot = output(rustc.args(["--print", "sysroot"]).current_dir(root()))?;
        let mut remapping: Vec<(PathBuf, &str)> = Vec::new();
        remapping.extend(home.map(|home| (home, "/home")));
        remapping.push((sysroot.trim().into(), "/rust"));
        remapping.push((root(), "/libimtag"));
        remapping.push((target.to_owned(), "/target"));
        if let Some(cargo) = cargo {
            let registry = cargo.join("registry/src");
            remapping.push((cargo, "/cargo"));
            for index in fs::read_dir(registry).into_iter().flatten() {
                remapping.push((index?.path(), "/crates"));
            }
        }
        Ok(PathRemapping(remapping))
    }

    /// For rustc, in the form of CARGO_ENCODED_RUSTFLAGS.
    pub(super) fn rustflags(&self) -> String {
        let flags = self.0.iter().map(|(place, instead)| {
            let place = place.display();
            format!("--remap-path-prefix={place}={instead}")
        });
        flags.collect::<Vec<_>>().join("\x1f")
    }

    /// Fails where a file names a place of this machine, or one below a folder.
    pub(super) fn are_not_in(&self, file: &Path) -> Result<(), Error> {
        if file.is_dir() {
            return fs::read_dir(file)?.try_for_each(|entry| self.are_not_in(&entry?.path()));
        }
        let bytes = fs::read(file)?;
        let mut found = self.0.iter().filter_map(|(place, _)| {
            let place = format!("{}/", place.display());
            named(&bytes, &place)
        });
        found.next().map_or(Ok(()), |found| {
            Err(format!("{} names a place of this machine: {found}", file.display()).into())
        })
    }
}

/// The text around the first place where a folder is named.
fn named(bytes: &[u8], folder: &str) -> Option<String> {
    let at = bytes
        .windows(folder.len())
        .position(|part| part == folder.as_bytes())?;
    let rest = bytes[at..].iter().take(100);
    let text: Vec<u8> = rest.copied().take_while(u8::is_ascii_graphic).collect();
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_this_machine_is_found_in_an_artefact() {
        let bytes = b"\x7fELF\0/home/me/.cargo/registry/a.rs\0";
        let found = named(bytes, "/home/me/").unwrap();
        assert_eq!(found, "/home/me/.cargo/registry/a.rs");
        assert_eq!(named(bytes, "/home/you/"), None);
    }

    #[test]
    fn the_more_special_place_comes_last_as_rustc_takes_the_last_that_fits() {
        let remapping = [("/home/me", "/home"), ("/home/me/.cargo", "/cargo")];
        let remapping = PathRemapping(remapping.map(|(of, to)| (of.into(), to)).into());
        assert_eq!(
            remapping.rustflags(),
            "--remap-path-prefix=/home/me=/home\x1f--remap-path-prefix=/home/me/.cargo=/cargo"
        );
    }
}
