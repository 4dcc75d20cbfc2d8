//! The dependencies that are allowed: those between our crates in one direction, and those of the libraries by a short
//! list, as users of the libraries build and trust all of it. Dependencies of tests are free, except those of core on our
//! own crates.

use super::assert_none;
use super::metadata::{Dependency, Metadata, Package, workspace};

/// Each of our crates with those of ours that it may depend on.
const OURS: [(&str, &[&str]); 6] = [
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
        &["imtag-core", "imtag-emulator", "imtag-transport"],
    ),
];

/// The libraries with the crates of others that they may depend on.
const LIBRARIES: [(&str, &[&str]); 2] = [("imtag-core", CORE), ("imtag-transport", TRANSPORT)];

const CORE: &[&str] = &[
    // keep sorted
    "base64",
    "flate2",
    "hmac",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "zeroize",
];

const TRANSPORT: &[&str] = &[
    // keep sorted
    "nix",
    "percent-encoding",
    "rand",
    "rustix",
    "socket2",
    "thiserror",
    "ureq",
    "zeroize",
];

#[test]
fn our_crates_depend_on_each_other_one_way() {
    assert_none(wrong_ways(workspace()));
}

#[test]
fn the_libraries_depend_on_nothing_beyond_their_lists() {
    assert_none(not_on_the_list(workspace()));
}

#[test]
fn the_command_line_can_be_built_without_the_emulator_and_has_it_by_default() {
    assert_none(emulator_not_by_default(workspace()));
}

fn wrong_ways(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata.ours() {
        let name = package.name();
        let Some((_, allowed)) = OURS.iter().find(|(crate_, _)| *crate_ == name) else {
            faults.push(format!(
                "{name} is a new crate: say in {} what it may depend on",
                file!()
            ));
            continue;
        };
        let binding = |it: &Dependency| {
            it.is_workspace_crate() && (!it.is_of_tests() || name == "imtag-core")
        };
        for dependency in package.dependencies().filter(binding) {
            if !allowed.contains(&dependency.name()) {
                faults.push(format!("{name} may not depend on {}", dependency.name()));
            }
        }
    }
    faults
}

fn not_on_the_list(metadata: &Metadata) -> Vec<String> {
    let list_of = |package: &Package| LIBRARIES.iter().find(|(name, _)| *name == package.name());
    let libraries = metadata
        .ours()
        .filter_map(|package| Some((package, list_of(&package)?)));
    let mut faults = Vec::new();
    for (package, (name, list)) in libraries {
        let outside = package
            .dependencies()
            .filter(|it| !it.is_workspace_crate() && !it.is_of_tests());
        for dependency in outside
            .map(Dependency::name)
            .filter(|it| !list.contains(it))
        {
            faults.push(format!(
                "{name} depends on {dependency}, which is not on its list"
            ));
        }
    }
    faults
}

fn emulator_not_by_default(metadata: &Metadata) -> Vec<String> {
    let Some(cli) = metadata
        .ours()
        .find(|package| package.name() == "imtag-cli")
    else {
        return vec!["there is no imtag-cli".to_owned()];
    };
    let is_emulator = |name: &str| name == "imtag-emulator";
    let Some(emulator) = cli
        .dependencies()
        .find(|it| is_emulator(it.name()) && !it.is_of_tests())
    else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if !emulator.is_optional() {
        faults.push("imtag-cli: the dependency on imtag-emulator is not optional".to_owned());
    }
    if !turned_on(cli, "default").contains(&"dep:imtag-emulator") {
        faults.push("imtag-cli: no default feature turns on dep:imtag-emulator".to_owned());
    }
    faults
}

/// All that a feature turns on, by way of other features too.
fn turned_on<'m>(package: Package<'m>, feature: &str) -> Vec<&'m str> {
    let mut all = package.feature(feature);
    let mut looked_at = 0;
    while let Some(&name) = all.get(looked_at) {
        looked_at += 1;
        let more = package.feature(name);
        let new: Vec<_> = more
            .into_iter()
            .filter(|name| !all.contains(name))
            .collect();
        all.extend(new);
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dependency(name: &str, kind: Option<&str>, path: Option<&str>) -> serde_json::Value {
        json!({ "name": name, "kind": kind, "path": path, "optional": false })
    }

    fn metadata(name: &str, dependencies: &[serde_json::Value]) -> Metadata {
        let features = json!({ "default": ["more"], "more": ["color"], "color": [] });
        let package = json!({ "name": name, "source": null, "dependencies": dependencies, "features": features });
        Metadata(json!({ "packages": [package] }))
    }

    #[test]
    fn a_dependency_against_the_direction_is_named() {
        let ours = |name, kind| dependency(name, kind, Some("crates/x"));
        let wrong = metadata(
            "imtag-transport",
            &[
                ours("imtag-emulator", None),
                ours("imtag-cli", Some("build")),
            ],
        );
        assert_eq!(
            wrong_ways(&wrong),
            [
                "imtag-transport may not depend on imtag-emulator",
                "imtag-transport may not depend on imtag-cli"
            ]
        );
        assert!(
            wrong_ways(&metadata(
                "imtag-transport",
                &[ours("imtag-emulator", Some("dev"))]
            ))
            .is_empty()
        );
        assert_eq!(
            wrong_ways(&metadata(
                "imtag-core",
                &[ours("imtag-emulator", Some("dev"))]
            ))
            .len(),
            1
        );
        assert!(wrong_ways(&metadata("imtag-new", &[]))[0].starts_with("imtag-new is a new crate"));
    }

    #[test]
    fn a_dependency_that_is_not_on_the_list_is_named() {
        let outside = |name, kind| dependency(name, kind, None);
        let wrong = [
            outside("tokio", None),
            outside("cc", Some("build")),
            outside("sha2", None),
        ];
        assert_eq!(
            not_on_the_list(&metadata("imtag-core", &wrong)),
            [
                "imtag-core depends on tokio, which is not on its list",
                "imtag-core depends on cc, which is not on its list",
            ]
        );
        assert!(
            not_on_the_list(&metadata("imtag-core", &[outside("proptest", Some("dev"))]))
                .is_empty()
        );
    }

    #[test]
    fn an_emulator_that_cannot_be_left_out_or_is_not_there_by_default_is_named() {
        let cli = metadata(
            "imtag-cli",
            &[dependency("imtag-emulator", None, Some("crates/emulator"))],
        );
        assert_eq!(emulator_not_by_default(&cli).len(), 2);
        let cli = cli.ours().next().unwrap();
        assert_eq!(turned_on(cli, "default"), ["more", "color"]);
    }
}
