//! The archives that are shipped: a folder each, packed so that the same content gives the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::licences;
use super::zig::GLIBC;
use crate::Error;
use crate::cargo::root;
use crate::install::build::Libraries;
use crate::install::tree::{self, Tree};
use crate::install::write;
use crate::install::write_atomic::{Content, write_atomic};
use crate::program::output;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// 2 February 2020, as hatch has it, where SOURCE_DATE_EPOCH names no other.
const TIME: &str = "1580601600";

/// The tree of an installation that may be moved.
pub(super) fn library(libraries: &Libraries, to: &Path) -> Result<PathBuf, Error> {
    let folder = to.join(name("libimtag"));
    let tree = Tree {
        relocatable: true,
        ..Tree::new(&folder)
    };
    write(&tree, libraries)?;
    documents(&folder, "imtag-ffi", include_str!("library.md"))?;
    Ok(folder)
}

/// The command line.
pub(super) fn program(program: &Path, to: &Path) -> Result<PathBuf, Error> {
    let folder = to.join(name("imtag"));
    write_atomic(&folder.join("imtag"), &Content::program(program))?;
    documents(&folder, "imtag-cli", include_str!("program.md"))?;
    Ok(folder)
}

/// `libimtag-0.1.0-x86_64-linux-gnu`
fn name(what: &str) -> String {
    format!("{what}-{VERSION}-{}-linux-gnu", std::env::consts::ARCH)
}

/// What says how to use it, on which terms, and what changed.
fn documents(folder: &Path, package: &str, readme: &str) -> Result<(), Error> {
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"] {
        write_atomic(&folder.join(file), &Content::file(&root().join(file)))?;
    }
    let notice = licences::notice(package)?;
    write_atomic(&folder.join("THIRD-PARTY.txt"), &Content::Text(notice))?;
    write_atomic(&folder.join("README.md"), &Content::Text(filled(readme)))?;
    Ok(())
}

fn filled(readme: &str) -> String {
    let soname = tree::soname();
    let interface = soname.trim_start_matches("libimtag.so.");
    readme
        .replace("@VERSION@", VERSION)
        .replace("@ARCH@", std::env::consts::ARCH)
        .replace("@GLIBC@", &format!("{}.{}", GLIBC.0, GLIBC.1))
        .replace("@INTERFACE@", interface)
        .replace("@SONAME@", &soname)
}

/// When the files in an archive were changed.
pub(super) fn time() -> String {
    std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| TIME.to_owned())
}

/// Packs a folder into an archive beside it.
pub(super) fn packed(folder: &Path) -> Result<PathBuf, Error> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.parent().ok_or("a folder lies in another")?;
    let archive = beside.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=gnu", "--numeric-owner"]);
    tar.args(["--owner=0", "--group=0", "--mode=go=u-w"]);
    tar.arg(format!("--mtime=@{}", time()));
    tar.args(["--use-compress-program", "gzip --no-name --best"]);
    tar.arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(beside);
    output(tar.arg(&*name))?;
    Ok(archive)
}

/// Writes SHA256SUMS for the files in a folder.
pub(super) fn sums(folder: &Path) -> Result<(), Error> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder)? {
        names.push(file?.file_name());
    }
    names.sort();
    let mut sha256sum = Command::new("sha256sum");
    let sums = output(sha256sum.args(names).current_dir(folder))?;
    fs::write(folder.join("SHA256SUMS"), sums)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_readme_is_filled_in() {
        for readme in [include_str!("library.md"), include_str!("program.md")] {
            let text = filled(readme);
            assert!(!text.contains('@'), "{text}");
            assert!(text.contains("glibc 2.17 or\nnewer") || text.contains("glibc 2.17 or newer"));
        }
    }
}
