//! The crates' manifests. Our crates depend on each other in one direction, at one version, and the libraries on others
//! by a short list, as users of the libraries build and trust all of it; nothing that is shipped needs a newer Rust than
//! stated. Every crate takes the workspace's lints, and says what it is if it is published. Dependencies of tests are
//! free, except those of core on our own crates.

use std::fs;
use std::sync::OnceLock;

use crate::files::{assert_none, read};
use imtag_checks::metadata::{Dependency, Metadata, Package, tree};

/// Each of our crates with those of ours that it may depend on.
const OURS: [(&str, &[&str]); 14] = [
    ("bench-clients", &["imtag-core", "imtag-transport"]),
    (
        "imtag-checks",
        &["imtag-core", "imtag-emulator", "imtag-transport"],
    ),
    (
        "imtag-cli",
        &[
            "imtag-core",
            "imtag-emulator",
            "imtag-local-server",
            "imtag-rows",
            "imtag-serve",
            "imtag-transport",
        ],
    ),
    ("imtag-core", &[]),
    (
        "imtag-emulator",
        &["imtag-core", "imtag-local-server", "imtag-wire"],
    ),
    ("imtag-ffi", &["imtag-core", "imtag-transport"]),
    ("imtag-local-server", &[]),
    ("imtag-redis", &["imtag-core"]),
    ("imtag-rows", &["imtag-core", "imtag-transport"]),
    (
        "imtag-queue",
        &[
            "imtag-core",
            "imtag-local-server",
            "imtag-rows",
            "imtag-transport",
        ],
    ),
    (
        "imtag-serve",
        &[
            "imtag-core",
            "imtag-local-server",
            "imtag-queue",
            "imtag-rows",
            "imtag-transport",
            "imtag-wire",
        ],
    ),
    ("imtag-transport", &["imtag-core"]),
    ("imtag-wire", &["imtag-core"]),
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
    "base64",
    "httpdate",
    "memchr",
    "nix",
    "percent-encoding",
    "rand",
    "rustix",
    "rustls",
    "rustls-native-certs",
    "socket2",
    "strsim",
    "thiserror",
    "toml",
    "tracing",
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
    let mut faults = Vec::new();
    for Package {
        name, dependencies, ..
    } in workspace().ours()
    {
        if !OURS.iter().any(|it| it.0 == name) {
            let file = file!();
            faults.push(format!(
                "{name} is a new crate: say in {file} what it may depend on"
            ));
        }
        let of_others = dependencies.iter().filter(|it| {
            let kind = it.kind.as_deref().unwrap_or_default();
            !may_depend(name, &it.name, kind, it.path.is_some())
        });
        faults.extend(of_others.map(|it| format!("{name} may not depend on {}", it.name)));
    }
    assert_none(faults);
}

/// True if a crate may depend on another in this way: `dev`, `build`, or built in.
fn may_depend(name: &str, other: &str, kind: &str, is_ours: bool) -> bool {
    let is_free = kind == "dev" && !(is_ours && name == "imtag-core");
    let lists: &[(&str, &[&str])] = if is_ours { &OURS } else { &LIBRARIES };
    let list = lists.iter().find(|it| it.0 == name);
    is_free || list.map_or(!is_ours, |it| it.1.contains(&other))
}

#[test]
fn a_dependency_against_the_direction_or_not_on_the_list_is_not_allowed() {
    for (name, other, kind, is_ours, is_allowed) in [
        ("imtag-transport", "imtag-emulator", "", true, false),
        ("imtag-transport", "imtag-cli", "build", true, false),
        ("imtag-transport", "imtag-emulator", "dev", true, true),
        ("imtag-transport", "imtag-core", "", true, true),
        ("imtag-core", "imtag-emulator", "dev", true, false),
        ("imtag-local-server", "imtag-core", "", true, false),
        ("imtag-core", "proptest", "dev", false, true),
        ("imtag-core", "tokio", "", false, false),
        ("imtag-core", "cc", "build", false, false),
        ("imtag-core", "sha2", "", false, true),
        ("imtag-cli", "clap", "", false, true),
        ("imtag-new", "imtag-core", "", true, false),
    ] {
        let allowed = may_depend(name, other, kind, is_ours);
        assert_eq!(allowed, is_allowed, "{name} {other} {kind}");
    }
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
    let asked = format!("^{version}");
    let mut faults = Vec::new();
    for package in workspace().ours() {
        let name = &package.name;
        if package.version != version {
            faults.push(format!("{name} is not {version}"));
        }
        let ours = package.dependencies.iter().filter(|it| it.path.is_some());
        let wrong = ours.filter(|it| !is_of_tests(it) && it.req != asked);
        faults.extend(wrong.map(|it| format!("{name} asks for {} {}", it.name, it.req)));
    }
    assert_none(faults);
}

#[test]
fn nothing_that_is_shipped_needs_a_newer_rust_than_stated() {
    let mut options = vec!["--edges", "normal,build", "--target", "all"];
    options.extend(SHIPPED.iter().flat_map(|it| ["--package", it]));
    let parts = workspace().parts(&options).unwrap();
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
    // each package that is selected and what it needs, with its features
    let features = |selection: &[&str]| tree(&[selection, &["--format", "{p} {f}"]].concat());
    let alone = features(&["--package", "xtask", "--edges", "normal,build"]).unwrap();
    let of_all = features(&["--workspace"]).unwrap();
    let built_twice: Vec<_> = alone.difference(&of_all).collect();
    assert!(
        built_twice.is_empty(),
        "add the features of the others to crates/xtask/Cargo.toml: {built_twice:#?}"
    );
}
