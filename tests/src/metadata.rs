//! The workspace as Cargo resolves it (`cargo metadata`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use crate::cargo::cargo;
use crate::error::Error;
use crate::program::output;

#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    #[serde(default)]
    pub target_directory: PathBuf,
    resolve: Option<Resolve>,
}

/// A package. What its manifest does not say is `None`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Package {
    id: String,
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
    targets: Vec<Target>,
}

/// What a package says that it depends on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
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

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    pub fn read(options: &[&str]) -> Result<Metadata, Error> {
        let mut command = cargo(["metadata", "--format-version", "1"]);
        Ok(serde_json::from_str(&output(command.args(options))?)?)
    }

    /// The crates of this repository.
    pub fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_none())
    }

    /// What crates of ours are built of, by dependencies that `follows` takes from a package by their kind; themselves too.
    pub fn parts(
        &self,
        ours: &[&str],
        follows: impl Fn(&Package, Option<&str>) -> bool,
    ) -> Vec<&Package> {
        let nodes = self.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let nodes: BTreeMap<&str, &Node> = nodes.map(|node| (node.id.as_str(), node)).collect();
        let packages = self.packages.iter();
        let packages: BTreeMap<&str, &Package> = packages.map(|it| (it.id.as_str(), it)).collect();
        let starts = self
            .ours()
            .filter(|package| ours.contains(&package.name.as_str()));
        let mut to_visit: Vec<&str> = starts.map(|package| package.id.as_str()).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = to_visit.pop() {
            if !seen.insert(id) {
                continue;
            }
            let edges = nodes[id].deps.iter().filter(|edge| {
                let mut kinds = edge.dep_kinds.iter();
                kinds.any(|it| follows(packages[edge.pkg.as_str()], it.kind.as_deref()))
            });
            to_visit.extend(edges.map(|edge| edge.pkg.as_str()));
        }
        seen.into_iter().map(|id| packages[id]).collect()
    }
}

impl Package {
    /// True if it runs in the compiler, and is in no artefact.
    pub fn is_macro(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "proc-macro")
    }
}
