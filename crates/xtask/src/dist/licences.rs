//! Whose code is in an artefact, and on which terms: each crate that is built into it, with the texts that lie beside
//! its sources. Texts that several crates share are printed once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::zig::target;
use crate::Error;
use crate::metadata::Metadata;

/// What is in every artefact beside crates.
const BESIDE: &str = "\
Rust's standard library, MIT OR Apache-2.0, by the Rust Project Developers: https://github.com/rust-lang/rust
LLVM's libunwind, Apache-2.0 WITH LLVM-exception, by the LLVM Project: https://llvm.org
";

/// The notice for what is built of a package of this workspace.
pub(super) fn notice(package: &str) -> Result<String, Error> {
    let metadata = Metadata::read(&[])?;
    // what is built in, and not what builds, tests or writes code
    let built_in = ["--edges", "normal,no-proc-macro", "--target", &target()];
    let mut others = metadata.parts(&[&["--package", package], &built_in[..]].concat())?;
    others.retain(|package| package.source.is_some());
    others.sort_by_key(|package| (&package.name, &package.version));
    let mut notice = format!("What is in this artefact beside libimtag's own code\n\n{BESIDE}");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in others {
        let name = format!("{} {}", package.name, package.version);
        let said = |field: &Option<String>| field.clone().unwrap_or_default();
        let (licence, from) = (said(&package.license), said(&package.repository));
        writeln!(notice, "{name}, {licence}: {from}")?;
        let folder = package.manifest_path.parent();
        for text in texts_in(folder.ok_or("a manifest lies in a folder")?)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, names) in texts {
        write!(
            notice,
            "\n{}\n{}\n\n{}\n",
            "-".repeat(78),
            names.join(", "),
            text.trim_end()
        )?;
    }
    Ok(notice)
}

/// The licences that lie in a folder, in order.
fn texts_in(folder: &Path) -> Result<Vec<String>, Error> {
    const STARTS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().to_uppercase();
        let is_licence = STARTS.iter().any(|start| name.starts_with(start));
        if is_licence && file.file_type()?.is_file() {
            files.push(file.path());
        }
    }
    files.sort();
    let texts = files
        .iter()
        .map(|file| Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned()));
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_has_what_is_built_in_and_not_what_builds_or_tests() {
        let notice = notice("imtag-ffi").unwrap();
        assert!(notice.contains("\nring 0."), "ring is built in");
        assert!(notice.contains("\nrustls 0."), "rustls is built in");
        assert!(!notice.contains("\nproptest 1."), "proptest only tests");
        assert!(!notice.contains("\ncc 1."), "cc only builds");
        assert!(!notice.contains("\nsyn "), "syn only writes code");
        assert!(!notice.contains("\nimtag-core 0."), "imtag-core is ours");
        assert!(notice.contains("Permission is hereby granted"));
    }
}
