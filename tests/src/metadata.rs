//! The workspace as Cargo resolves it (`cargo metadata`, `cargo tree`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use crate::cargo::cargo;
use crate::error::Error;
use crate::program::output;

#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub target_directory: PathBuf,
}

/// A package. What its manifest does not say is `None`.
#[derive(Debug, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// `None` for the crates of this repository.
    pub source: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub readme: Option<String>,
    pub repository: Option<String>,
    pub rust_version: Option<String>,
    pub manifest_path: PathBuf,
    /// The registries to publish to, `None` for any.
    pub publish: Option<Vec<String>>,
    pub dependencies: Vec<Dependency>,
    /// What each feature turns on: other features, `dep:NAME`, `NAME/feature`.
    pub features: BTreeMap<String, Vec<String>>,
}

/// What a package says that it depends on.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// The versions that would do.
    pub req: String,
    /// Of a crate of this repository.
    pub path: Option<PathBuf>,
    /// `build` or `dev`; `None` for what is built in.
    pub kind: Option<String>,
    pub optional: bool,
}

impl Metadata {
    pub fn read(options: &[&str]) -> Result<Metadata, Error> {
        let mut command = cargo(["metadata", "--format-version", "1"]);
        Ok(serde_json::from_str(&output(command.args(options))?)?)
    }

    /// The crates of this repository.
    pub fn ours(&self) -> impl Iterator<Item = &Package> {
        let packages = self.packages.iter();
        packages.filter(|package| package.source.is_none())
    }

    /// What is in a tree, by the options of [`tree`].
    pub fn parts(&self, options: &[&str]) -> Result<Vec<&Package>, Error> {
        let lines = tree(&[options, &["--format", "{p}"]].concat())?;
        let names = lines.iter().map(|line| line.split(' ').take(2).collect());
        let names: BTreeSet<Vec<&str>> = names.collect();
        let is_part =
            |it: &&Package| names.contains(&*vec![&*it.name, &format!("v{}", it.version)]);
        Ok(self.packages.iter().filter(is_part).collect())
    }
}

/// The lines of `cargo tree`, each once.
pub fn tree(options: &[&str]) -> Result<BTreeSet<String>, Error> {
    let text = output(cargo(["tree", "--prefix", "none"]).args(options))?;
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(lines.map(|line| line.trim_end().to_owned()).collect())
}
