//! The crates' manifests. Our crates depend on each other in one direction, at one version, and the libraries on others
//! by a short list, as users of the libraries build and trust all of it; nothing that is shipped needs a newer Rust than
//! stated. Every crate takes the workspace's lints, and says what it is if it is published. Dependencies of tests are
//! free, except those of core on our own crates.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use crate::files::{assert_none, read};
use imtag_checks::cargo::cargo;
use imtag_checks::metadata::{Dependency, Metadata, Package};
use imtag_checks::program::output;

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
    "httpdate",
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

/// Read once for all checks.
fn workspace() -> &'static Metadata {
    static WORKSPACE: OnceLock<Metadata> = OnceLock::new();
    WORKSPACE.get_or_init(|| Metadata::read(&[]).unwrap())
}

fn is_of_tests(dependency: &Dependency) -> bool {
    dependency.kind.as_deref() == Some("dev")
}

#[test]
fn our_crates_depend_on_each_other_one_way_and_the_libraries_on_nothing_beyond_their_lists() {
    assert_none(workspace().ours().flat_map(not_allowed).collect());
}

fn not_allowed(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let list =
        |lists: &[(&str, &'static [&str])]| lists.iter().find(|it| it.0 == name).map(|it| it.1);
    let Some(ours) = list(&OURS) else {
        return vec![format!(
            "{name} is a new crate: say in {} what it may depend on",
            file!()
        )];
    };
    let of_others = list(&LIBRARIES);
    let faults = package.dependencies.iter().filter_map(|dependency| {
        let other = dependency.name.as_str();
        let is_ours = dependency.path.is_some();
        let is_free = is_of_tests(dependency) && !(is_ours && name == "imtag-core");
        let allowed = if is_ours { Some(ours) } else { of_others };
        let is_allowed = is_free || allowed.is_none_or(|list| list.contains(&other));
        (!is_allowed).then(|| format!("{name} may not depend on {other}"))
    });
    faults.collect()
}

#[test]
fn the_command_line_can_be_built_without_the_emulator_and_has_it_by_default() {
    let cli = workspace()
        .ours()
        .find(|it| it.name == "imtag-cli")
        .unwrap();
    let is_emulator = |it: &&Dependency| it.name == "imtag-emulator" && !is_of_tests(it);
    let emulator = cli.dependencies.iter().find(is_emulator).unwrap();
    assert!(emulator.optional);
    assert!(cli.features["default"].contains(&"emulator".to_owned()));
    assert!(cli.features["emulator"].contains(&"dep:imtag-emulator".to_owned()));
}

#[test]
fn every_crate_has_the_version_of_the_workspace_and_asks_for_it() {
    let version = env!("CARGO_PKG_VERSION");
    let mut faults = Vec::new();
    for Package {
        name,
        version: its,
        dependencies,
        ..
    } in workspace().ours()
    {
        if its != version {
            faults.push(format!("{name} is not {version}"));
        }
        let ours = dependencies
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
    }
    assert_none(faults);
}

#[test]
fn nothing_that_is_shipped_needs_a_newer_rust_than_stated() {
    let parts = workspace().parts(&SHIPPED, |_, kind| kind != Some("dev"));
    assert!(parts.len() > 100, "only {}", parts.len());
    let faults = parts.into_iter().filter_map(|part| {
        let needs = part.rust_version.as_ref()?;
        let is_too_new = numbers(needs) > numbers(env!("CARGO_PKG_RUST_VERSION"));
        is_too_new.then(|| format!("{} needs Rust {needs}", part.name))
    });
    assert_none(faults.collect());
}

/// A version as numbers that can be compared: `1.85` is `1.85.0`.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// Not forbidden, as ffi must be able to allow it; that no other crate does is held by ffi.rs.
#[test]
fn every_crate_takes_the_lints_of_the_workspace_which_deny_unsafe_code() {
    assert!(read("Cargo.toml").contains("\nunsafe_code = \"deny\""));
    let lax = workspace().ours().filter(|package| {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        !manifest.contains("\n[lints]\nworkspace = true\n")
    });
    assert_none(
        lax.map(|it| format!("{}: no `[lints] workspace = true`", it.name))
            .collect(),
    );
}

#[test]
fn every_published_crate_says_what_it_is_and_under_which_licence() {
    let mut faults = Vec::new();
    for package in workspace().ours().filter(|it| it.publish.is_none()) {
        let name = &package.name;
        for (field, value) in [
            ("description", &package.description),
            ("license", &package.license),
            ("readme", &package.readme),
            ("repository", &package.repository),
            ("rust_version", &package.rust_version),
        ] {
            if value.as_ref().is_none_or(String::is_empty) {
                faults.push(format!("{name}: no {field}"));
            }
        }
        let readme = package.manifest_path.with_file_name("README.md");
        let readme = fs::read_to_string(readme).unwrap_or_default();
        if !readme.starts_with(&format!("# {name}\n")) || readme.lines().count() < 3 {
            faults.push(format!(
                "{name}: no README.md that opens with `# {name}` and says more"
            ));
        }
    }
    assert_none(faults);
}

/// Cargo builds a dependency anew for each set of features. xtask, which is built first and alone, asks for those
/// that the tests of the workspace have, so that theirs are built once.
#[test]
fn what_xtask_needs_is_built_with_the_features_that_all_tests_have() {
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

#[test]
fn a_dependency_against_the_direction_or_not_on_the_list_is_named() {
    let dependency = |name: &str, kind: Option<&str>, is_ours: bool| Dependency {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        path: is_ours.then(|| "crates/x".into()),
        ..Dependency::default()
    };
    for (name, it, is_allowed) in [
        (
            "imtag-transport",
            dependency("imtag-emulator", None, true),
            false,
        ),
        (
            "imtag-transport",
            dependency("imtag-cli", Some("build"), true),
            false,
        ),
        (
            "imtag-transport",
            dependency("imtag-emulator", Some("dev"), true),
            true,
        ),
        (
            "imtag-transport",
            dependency("imtag-core", None, true),
            true,
        ),
        (
            "imtag-core",
            dependency("imtag-emulator", Some("dev"), true),
            false,
        ),
        (
            "imtag-core",
            dependency("proptest", Some("dev"), false),
            true,
        ),
        ("imtag-core", dependency("tokio", None, false), false),
        ("imtag-core", dependency("cc", Some("build"), false), false),
        ("imtag-core", dependency("sha2", None, false), true),
        ("imtag-cli", dependency("clap", None, false), true),
        ("imtag-new", dependency("serde", None, false), false),
    ] {
        let mut package = Package::default();
        (package.name, package.dependencies) = (name.to_owned(), vec![it]);
        assert_eq!(not_allowed(&package).is_empty(), is_allowed, "{package:?}");
    }
}
