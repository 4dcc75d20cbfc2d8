//! The manifests: every crate takes the workspace's lints (so that unsafe code is forbidden everywhere but in the C
//! interface), and every crate that is published says what it is and under which licence.

use std::path::Path;

use toml::Table;

use super::metadata::{Package, workspace};
use super::{assert_none, read};
use crate::cargo::root;

/// The only crate that may hold unsafe code.
const UNSAFE: &str = "imtag-ffi";

#[test]
fn every_crate_but_the_c_interface_forbids_unsafe_code() {
    // not forbidden, as ffi must be able to allow it; that no other crate does is held by ffi.rs
    let lints = &read("Cargo.toml").parse::<Table>().unwrap()["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("deny"));

    let held_to_it = workspace()
        .ours()
        .filter(|package| package.name() != UNSAFE);
    let lax = held_to_it.filter(|package| !takes_the_lints(&manifest(*package)));
    let fault = |package: Package| format!("{}: no `[lints] workspace = true`", package.name());
    assert_none(lax.map(fault).collect());
}

#[test]
fn every_published_crate_says_what_it_is_and_under_which_licence() {
    let published = workspace().ours().filter(|package| package.is_published());
    assert_none(published.flat_map(unsaid).collect());
}

#[test]
fn the_papers_are_there() {
    let papers = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "SECURITY.md",
    ];
    let missing = papers.iter().filter(|paper| !root().join(paper).is_file());
    assert_none(missing.map(|paper| format!("{paper} is missing")).collect());
}

fn manifest(package: Package) -> Table {
    let path = package.field("manifest_path").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    text.parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn takes_the_lints(manifest: &Table) -> bool {
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    lints.and_then(toml::Value::as_bool) == Some(true)
}

fn unsaid(package: Package) -> Vec<String> {
    let name = package.name();
    let fields = [
        "description",
        "license",
        "readme",
        "repository",
        "rust_version",
    ];
    let unset = fields
        .into_iter()
        .filter(|field| package.field(field).is_none_or(str::is_empty));
    let mut faults: Vec<_> = unset.map(|field| format!("{name}: no {field}")).collect();
    let manifest = Path::new(package.field("manifest_path").unwrap());
    let readme = std::fs::read_to_string(manifest.with_file_name("README.md")).unwrap_or_default();
    if !readme.starts_with(&format!("# {name}\n")) {
        faults.push(format!("{name}: no README.md that opens with `# {name}`"));
    }
    if readme.lines().count() < 3 {
        faults.push(format!("{name}: its README.md says nothing"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::takes_the_lints;

    #[test]
    fn lints_of_a_crate_s_own_are_not_the_workspace_s() {
        let takes = |text: &str| takes_the_lints(&text.parse().unwrap());
        assert!(takes("[lints]\nworkspace = true"));
        assert!(!takes("[lints.rust]\nunsafe_code = 'allow'"));
        assert!(!takes("[package]\nname = 'a'"));
    }
}
