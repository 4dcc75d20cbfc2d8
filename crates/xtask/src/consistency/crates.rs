//! The crates' manifests. Our crates depend on each other in one direction, at one version, and the libraries on others
//! by a short list, as users of the libraries build and trust all of it; nothing that is shipped needs a newer Rust than
//! stated. Every crate takes the workspace's lints, and says what it is if it is published. Dependencies of tests are
//! free, except those of core on our own crates.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use toml::Table;

use super::{assert_none, read};
use crate::cargo::cargo;
use crate::metadata::{Dependency, Metadata, Package};
use crate::program::output;

/// Each of our crates with those of ours that it may depend on.
const OURS: [(&str, &[&str]); 8] = [
    ("bench-clients", &["imtag-core", "imtag-transport"]),
    (
        "imtag-checks",
        &["imtag-core", "imtag-emulator", "imtag-transport"],
    ),
    (
        "imtag-cli",
        &["imtag-core", "imtag-emulator", "imtag-transport"],
    ),
    ("imtag-core", &[]),
    ("imtag-emulator", &["imtag-core"]),
    ("imtag-ffi", &["imtag-core", "imtag-transport"]),
    ("imtag-transport", &["imtag-core"]),
    (
        "xtask",
        &[
            "imtag-checks",
            "imtag-core",
            "imtag-emulator",
            "imtag-transport",
        ],
    ),
];

/// The libraries with the crates of others that they may depend on.
const LIBRARIES: [(&str, &[&str]); 2] = [("imtag-core", CORE), ("imtag-transport", TRANSPORT)];

const CORE: &[&str] = &[
    // keep sorted
    "arrayvec",
    "base64",
    "flate2",
    "hashbrown",
    "hmac",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "zeroize",
];

const TRANSPORT: &[&str] = &[
    // keep sorted
    "memchr",
    "nix",
    "percent-encoding",
    "rand",
    "rustix",
    "rustls",
    "socket2",
    "thiserror",
    "webpki-roots",
    "zeroize",
];

/// What others install, and so may build with the oldest Rust.
const SHIPPED: [&str; 4] = ["imtag-cli", "imtag-core", "imtag-ffi", "imtag-transport"];

/// The only crate that may hold unsafe code.
const UNSAFE: &str = "imtag-ffi";

/// Read once for all checks.
fn workspace() -> &'static Metadata {
    static WORKSPACE: OnceLock<Metadata> = OnceLock::new();
    WORKSPACE.get_or_init(|| Metadata::read(&[]).unwrap())
}

#[test]
fn our_crates_depend_on_each_other_one_way_and_the_libraries_on_nothing_beyond_their_lists() {
    assert_none(workspace().ours().flat_map(not_allowed).collect());
}

#[test]
fn the_command_line_can_be_built_without_the_emulator_and_has_it_by_default() {
    let cli = workspace()
        .ours()
        .find(|package| package.name == "imtag-cli");
    assert_none(emulator_not_by_default(cli.unwrap()));
}

#[test]
fn every_crate_has_the_version_of_the_workspace_and_asks_for_it() {
    let faults = workspace()
        .ours()
        .flat_map(|package| other_versions(package, env!("CARGO_PKG_VERSION")));
    assert_none(faults.collect());
}

#[test]
fn nothing_that_is_shipped_needs_a_newer_rust_than_stated() {
    assert_none(too_new(workspace(), env!("CARGO_PKG_RUST_VERSION")));
}

#[test]
fn every_crate_but_the_c_interface_forbids_unsafe_code() {
    // not forbidden, as ffi must be able to allow it; that no other crate does is held by ffi.rs
    let lints = &read("Cargo.toml").parse::<Table>().unwrap()["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("deny"));

    let held_to_it = workspace().ours().filter(|package| package.name != UNSAFE);
    let lax = held_to_it.filter(|package| {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        !takes_the_lints(&manifest.parse().unwrap())
    });
    let fault = |package: &Package| format!("{}: no `[lints] workspace = true`", package.name);
    assert_none(lax.map(fault).collect());
}

#[test]
fn every_published_crate_says_what_it_is_and_under_which_licence() {
    let published = workspace()
        .ours()
        .filter(|package| package.publish.is_none());
    assert_none(published.flat_map(unsaid).collect());
}

/// Cargo builds a dependency anew for each set of features. This crate, which is built first and alone, asks for those
/// that the tests of the workspace have, so that theirs are built once.
#[test]
fn what_this_crate_needs_is_built_with_the_features_that_all_tests_have() {
    /// Each package that is selected and what it needs, with its features.
    fn features(selection: &[&str]) -> BTreeSet<String> {
        let mut command = cargo(["tree", "--prefix", "none", "--format", "{p} {f}"]);
        let text = output(command.args(selection)).unwrap();
        let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
    let alone = features(&["--package", "xtask", "--edges", "normal,build"]);
    let of_all = features(&["--workspace"]);
    let built_twice: Vec<_> = alone.difference(&of_all).collect();
    assert!(
        built_twice.is_empty(),
        "add the features of the others to crates/xtask/Cargo.toml: {built_twice:#?}"
    );
}

fn is_of_tests(dependency: &Dependency) -> bool {
    dependency.kind.as_deref() == Some("dev")
}

fn not_allowed(
    Package {
        name, dependencies, ..
    }: &Package,
) -> Vec<String> {
    let Some((_, ours)) = OURS.iter().find(|(crate_, _)| crate_ == name) else {
        let here = file!();
        return vec![format!(
            "{name} is a new crate: say in {here} what it may depend on"
        )];
    };
    let library = LIBRARIES.iter().find(|(library, _)| library == name);
    let mut faults = Vec::new();
    for dependency in dependencies {
        let other = dependency.name.as_str();
        let is_ours = dependency.path.is_some();
        if is_of_tests(dependency) && !(is_ours && name == "imtag-core") {
            continue;
        }
        if is_ours && !ours.contains(&other) {
            faults.push(format!("{name} may not depend on {other}"));
        }
        if !is_ours && library.is_some_and(|(_, list)| !list.contains(&other)) {
            faults.push(format!(
                "{name} depends on {other}, which is not on its list"
            ));
        }
    }
    faults
}

fn emulator_not_by_default(cli: &Package) -> Vec<String> {
    let is_emulator = |it: &&Dependency| it.name == "imtag-emulator" && !is_of_tests(it);
    let Some(emulator) = cli.dependencies.iter().find(is_emulator) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if !emulator.optional {
        faults.push("imtag-cli: the dependency on imtag-emulator is not optional".to_owned());
    }
    if !turned_on(cli, "default").contains(&"dep:imtag-emulator") {
        faults.push("imtag-cli: no default feature turns on dep:imtag-emulator".to_owned());
    }
    faults
}

/// All that a feature turns on, by way of other features too.
fn turned_on<'p>(package: &'p Package, feature: &'p str) -> Vec<&'p str> {
    let mut all = vec![feature];
    let mut looked_at = 0;
    while let Some(&name) = all.get(looked_at) {
        looked_at += 1;
        for more in package.features.get(name).into_iter().flatten() {
            if !all.contains(&more.as_str()) {
                all.push(more);
            }
        }
    }
    all
}

fn other_versions(package: &Package, version: &str) -> Vec<String> {
    let name = &package.name;
    let mut faults = Vec::new();
    if package.version != version {
        faults.push(format!("{name} is not {version}"));
    }
    let ours = package
        .dependencies
        .iter()
        .filter(|it| it.path.is_some() && !is_of_tests(it));
    for Dependency {
        name: other, req, ..
    } in ours
    {
        if *req != format!("^{version}") {
            faults.push(format!("{name} asks for {other} {req}, not {version}"));
        }
    }
    faults
}

/// What is built into what is shipped, or builds it, and asks for a newer Rust.
fn too_new(metadata: &Metadata, minimum: &str) -> Vec<String> {
    let parts = metadata.parts(&SHIPPED, |_, kind| kind != Some("dev"));
    let stated = parts
        .into_iter()
        .filter_map(|it| Some((&it.name, it.rust_version.as_ref()?)));
    let too_new = stated.filter(|(_, version)| numbers(version) > numbers(minimum));
    too_new
        .map(|(name, version)| format!("{name} needs Rust {version}"))
        .collect()
}

/// A version as numbers that can be compared: `1.85` is `1.85.0`.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

fn takes_the_lints(manifest: &Table) -> bool {
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    lints.and_then(toml::Value::as_bool) == Some(true)
}

fn unsaid(package: &Package) -> Vec<String> {
    let name = &package.name;
    let fields = [
        ("description", &package.description),
        ("license", &package.license),
        ("readme", &package.readme),
        ("repository", &package.repository),
        ("rust_version", &package.rust_version),
    ];
    let unset = fields
        .iter()
        .filter(|(_, value)| value.as_ref().is_none_or(String::is_empty));
    let mut faults: Vec<_> = unset
        .map(|(field, _)| format!("{name}: no {field}"))
        .collect();
    let readme = package.manifest_path.with_file_name("README.md");
    let readme = std::fs::read_to_string(readme).unwrap_or_default();
    if !readme.starts_with(&format!("# {name}\n")) || readme.lines().count() < 3 {
        faults.push(format!(
            "{name}: no README.md that opens with `# {name}` and says more"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, dependencies: &[Value]) -> Package {
        let features = json!({ "default": ["more"], "more": ["color"], "color": [] });
        let package = json!({
            "name": name, "version": "0.0.9", "source": null, "dependencies": dependencies, "features": features
        });
        serde_json::from_value(package).unwrap()
    }

    fn ours(name: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "kind": kind, "path": "crates/x", "req": "^0.0.9" })
    }

    fn outside(name: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "kind": kind, "path": null, "req": "^1" })
    }

    #[test]
    fn a_dependency_against_the_direction_or_not_on_the_list_is_named() {
        for (name, dependencies, expected) in [
            (
                "imtag-transport",
                [
                    ours("imtag-emulator", None),
                    ours("imtag-cli", Some("build")),
                ],
                "imtag-transport may not depend on imtag-emulator; imtag-transport may not depend on imtag-cli",
            ),
            (
                "imtag-transport",
                [
                    ours("imtag-emulator", Some("dev")),
                    ours("imtag-core", None),
                ],
                "",
            ),
            (
                "imtag-core",
                [
                    ours("imtag-emulator", Some("dev")),
                    outside("proptest", Some("dev")),
                ],
                "imtag-core may not depend on imtag-emulator",
            ),
            (
                "imtag-core",
                [outside("tokio", None), outside("cc", Some("build"))],
                "imtag-core depends on tokio, which is not on its list; imtag-core depends on cc, which is not on its list",
            ),
            (
                "imtag-core",
                [outside("sha2", None), outside("serde", None)],
                "",
            ),
        ] {
            assert_eq!(
                not_allowed(&package(name, &dependencies)).join("; "),
                expected
            );
        }
        let new = not_allowed(&package("imtag-new", &[]));
        assert!(new[0].starts_with("imtag-new is a new crate"));
    }

    #[test]
    fn an_emulator_that_cannot_be_left_out_or_is_not_there_by_default_is_named() {
        let cli = package("imtag-cli", &[ours("imtag-emulator", None)]);
        assert_eq!(emulator_not_by_default(&cli).len(), 2);
        assert_eq!(turned_on(&cli, "default"), ["default", "more", "color"]);
    }

    #[test]
    fn another_version_is_named_wherever_it_stands() {
        let asked = [
            ours("imtag-core", None),
            outside("serde", None),
            ours("imtag-emulator", Some("dev")),
        ];
        assert_eq!(
            other_versions(&package("imtag-cli", &asked), "0.1.0"),
            [
                "imtag-cli is not 0.1.0",
                "imtag-cli asks for imtag-core ^0.0.9, not 0.1.0"
            ]
        );
    }

    #[test]
    fn a_crate_deep_in_the_graph_that_needs_a_newer_rust_is_named() {
        let package = |id: &str, source: Option<&str>, rust_version: &str| json!({ "id": id, "name": id, "source": source, "rust_version": rust_version });
        let node = |id: &str, to: &str, kind: Option<&str>| json!({ "id": id, "deps": [{ "pkg": to, "dep_kinds": [{ "kind": kind }] }] });
        let leaf = |id: &str| json!({ "id": id, "deps": [] });
        for (kind, expected) in [
            (None, &["far needs Rust 1.86"][..]),
            (Some("build"), &["far needs Rust 1.86"]),
            (Some("dev"), &[]),
        ] {
            let metadata = json!({
                "packages": [package("imtag-core", None, "1.85"), package("near", Some("r"), "1.85.0"), package("far", Some("r"), "1.86")],
                "resolve": { "nodes": [node("imtag-core", "near", None), node("near", "far", kind), leaf("far")] },
            });
            let metadata = serde_json::from_value(metadata).unwrap();
            assert_eq!(too_new(&metadata, "1.85"), expected);
        }
    }

    #[test]
    fn lints_of_a_crate_s_own_are_not_the_workspace_s() {
        let takes = |text: &str| takes_the_lints(&text.parse().unwrap());
        assert!(takes("[lints]\nworkspace = true"));
        assert!(!takes("[lints.rust]\nunsafe_code = 'allow'"));
        assert!(!takes("[package]\nname = 'a'"));
    }
}
