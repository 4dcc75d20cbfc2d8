//! One version for all: every crate has the workspace's, asks for each other at exactly this version or newer
//! compatible ones, and the changelog tells what is in it.

use super::metadata::{Metadata, workspace};
use super::{assert_none, read};

#[test]
fn every_crate_has_the_version_of_the_workspace_and_asks_for_it() {
    assert_none(other_versions(workspace(), env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_changelog_tells_first_what_is_in_this_version() {
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(version_told);
    assert_eq!(newest, Some(env!("CARGO_PKG_VERSION")));
}

fn other_versions(metadata: &Metadata, version: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata.ours() {
        let name = package.name();
        if package.field("version") != Some(version) {
            faults.push(format!("{name} is not {version}"));
        }
        let asked = package
            .dependencies()
            .filter(|it| it.is_workspace_crate() && !it.is_of_tests());
        for dependency in asked.filter(|it| it.requirement() != format!("^{version}")) {
            let (other, requirement) = (dependency.name(), dependency.requirement());
            faults.push(format!(
                "{name} asks for {other} {requirement}, not {version}"
            ));
        }
    }
    faults
}

/// The version whose section a line opens: `## [1.2.3] - 2030-01-31`, or `- Unreleased` until there is a day.
fn version_told(line: &str) -> Option<&str> {
    let (version, day) = line.strip_prefix("## [")?.split_once("] - ")?;
    let is_day = day.len() == 10
        && day
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    (is_day || day == "Unreleased").then_some(version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_version_is_named_wherever_it_stands() {
        let asked = json!([
            { "name": "imtag-core", "req": "^0.0.9", "path": "crates/core", "kind": null },
            { "name": "serde", "req": "^1", "path": null, "kind": null },
            { "name": "imtag-emulator", "req": "*", "path": "crates/emulator", "kind": "dev" },
        ]);
        let cli = json!({ "name": "imtag-cli", "version": "0.0.9", "source": null, "dependencies": asked });
        assert_eq!(
            other_versions(&Metadata(json!({ "packages": [cli] })), "0.1.0"),
            [
                "imtag-cli is not 0.1.0",
                "imtag-cli asks for imtag-core ^0.0.9, not 0.1.0"
            ]
        );
    }

    #[test]
    fn a_section_of_the_changelog_names_its_version_and_day() {
        assert_eq!(version_told("## [0.2.0] - 2030-01-31"), Some("0.2.0"));
        assert_eq!(version_told("## [0.2.0] - Unreleased"), Some("0.2.0"));
        for other in [
            "## [0.2.0]",
            "## 0.2.0 - 2030-01-31",
            "### Added",
            "## [0.2.0] - soon",
        ] {
            assert_eq!(version_told(other), None, "{other}");
        }
    }
}
