//! Whose code is in an artefact, and on which terms: each crate that is built into it, with the texts that lie beside
//! its sources. Texts that several crates share are printed once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::zig::target;
use crate::Error;
use crate::cargo::cargo;
use crate::program::output;

/// What is in every artefact beside crates.
const BESIDE: &str = "\
Rust's standard library, MIT OR Apache-2.0, by the Rust Project Developers: https://github.com/rust-lang/rust
LLVM's libunwind, Apache-2.0 WITH LLVM-exception, by the LLVM Project: https://llvm.org
";

/// The notice for what is built of a package of this workspace.
pub(super) fn notice(package: &str) -> Result<String, Error> {
    let mut command = cargo(["metadata", "--format-version", "1"]);
    let text = output(command.args(["--filter-platform", &target()]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let others = others(&metadata, package)?;
    let mut notice = format!("What is in this artefact beside libimtag's own code\n\n{BESIDE}");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in others {
        let value = |field: &str| package[field].as_str().unwrap_or_default();
        let name = format!("{} {}", value("name"), value("version"));
        writeln!(
            notice,
            "{name}, {}: {}",
            value("license"),
            value("repository")
        )?;
        let folder = Path::new(value("manifest_path")).parent();
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

/// The crates of others that a package is built of, in order.
fn others<'a>(metadata: &'a Value, package: &str) -> Result<Vec<&'a Value>, Error> {
    let list = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
    let id = |value: &'a Value| value["id"].as_str().unwrap_or_default();
    let packages: HashMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .map(|of| (id(of), of))
        .collect();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let nodes: HashMap<&str, &Value> = nodes.iter().map(|of| (id(of), of)).collect();
    let start = packages.iter().find(|(_, of)| of["name"] == package);
    let mut waiting = vec![
        *start
            .ok_or_else(|| format!("there is no package {package}"))?
            .0,
    ];
    let mut seen = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if !seen.insert(next) {
            continue;
        }
        let node = nodes
            .get(next)
            .ok_or("cargo metadata names a package twice")?;
        if packages.get(next).is_some_and(|package| is_macro(package)) {
            seen.remove(next); // it only writes code
            continue;
        }
        let is_built_in = |kind: &Value| kind["kind"].is_null(); // not a build script's, not a test's
        let built_in = list(&node["deps"])
            .iter()
            .filter(|of| list(&of["dep_kinds"]).iter().any(is_built_in));
        waiting.extend(built_in.filter_map(|of| of["pkg"].as_str()));
    }
    let mut others: Vec<&Value> = seen
        .iter()
        .filter_map(|id| packages.get(id).copied())
        .collect();
    others.retain(|package| !package["source"].is_null());
    others.sort_by_key(|package| (package["name"].as_str(), package["version"].as_str()));
    Ok(others)
}

/// Whether a crate runs in the compiler and is in no artefact.
fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut kinds = targets
        .filter_map(|target| target["kind"].as_array())
        .flatten();
    kinds.any(|kind| kind == "proc-macro")
}

/// The licences that lie in a folder, in order.
fn texts_in(folder: &Path) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
            .iter()
            .any(|word| name.starts_with(word));
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
