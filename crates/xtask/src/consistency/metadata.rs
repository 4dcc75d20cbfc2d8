//! The workspace as Cargo resolves it (`cargo metadata`), asked once for all checks.

use std::sync::OnceLock;

use serde_json::Value;

use crate::cargo::cargo;

/// The answer of `cargo metadata`, or a made-up one in a test.
pub(super) struct Metadata(pub(super) Value);

/// A package of the resolved graph.
#[derive(Clone, Copy)]
pub(super) struct Package<'m>(&'m Value);

/// What a package says that it depends on.
#[derive(Clone, Copy)]
pub(super) struct Dependency<'m>(&'m Value);

/// The metadata of this workspace.
pub(super) fn workspace() -> &'static Metadata {
    static WORKSPACE: OnceLock<Metadata> = OnceLock::new();
    WORKSPACE.get_or_init(|| {
        let mut command = cargo(["metadata", "--format-version=1"]);
        let answer = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "cargo metadata: {complaint}");
        Metadata(serde_json::from_slice(&answer.stdout).unwrap())
    })
}

impl Metadata {
    pub(super) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        self.0["packages"].as_array().unwrap().iter().map(Package)
    }

    /// The crates of this repository: those that come from no registry.
    pub(super) fn ours(&self) -> impl Iterator<Item = Package<'_>> {
        self.packages()
            .filter(|package| package.0["source"].is_null())
    }

    /// The ids that the package of this id is built with: normal and build dependencies, not those of its tests.
    pub(super) fn built_with<'m>(&'m self, id: &str) -> Vec<&'m str> {
        let nodes = self.0["resolve"]["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        let built_with = |dependency: &&Value| {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            kinds.iter().any(|kind| kind["kind"] != "dev")
        };
        let dependencies = node["deps"].as_array().unwrap().iter();
        let ids = dependencies
            .filter(built_with)
            .map(|dependency| &dependency["pkg"]);
        ids.map(|id| id.as_str().unwrap()).collect()
    }
}

impl<'m> Package<'m> {
    pub(super) fn id(self) -> &'m str {
        self.0["id"].as_str().unwrap()
    }

    pub(super) fn name(self) -> &'m str {
        self.0["name"].as_str().unwrap()
    }

    /// A field of the manifest, `None` where it is not set.
    pub(super) fn field(self, name: &str) -> Option<&'m str> {
        self.0[name].as_str()
    }

    pub(super) fn is_published(self) -> bool {
        self.0["publish"].is_null()
    }

    pub(super) fn dependencies(self) -> impl Iterator<Item = Dependency<'m>> {
        self.0["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(Dependency)
    }

    /// What a feature turns on: other features, `dep:NAME`, `NAME/feature`.
    pub(super) fn feature(self, name: &str) -> Vec<&'m str> {
        let turned_on = self.0["features"][name].as_array();
        let turned_on = turned_on.into_iter().flatten();
        turned_on.map(|what| what.as_str().unwrap()).collect()
    }
}

impl<'m> Dependency<'m> {
    pub(super) fn name(self) -> &'m str {
        self.0["name"].as_str().unwrap()
    }

    /// The versions that would do.
    pub(super) fn requirement(self) -> &'m str {
        self.0["req"].as_str().unwrap()
    }

    pub(super) fn is_workspace_crate(self) -> bool {
        !self.0["path"].is_null()
    }

    pub(super) fn is_of_tests(self) -> bool {
        self.0["kind"] == "dev"
    }

    pub(super) fn is_optional(self) -> bool {
        self.0["optional"] == true
    }
}
