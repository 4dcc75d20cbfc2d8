//! The crate's documentation: its front page names each public item in its topic, and where a reader begins, each function
//! has an example.

#![allow(clippy::unwrap_used)] // all of it is test code

use std::collections::BTreeSet;
use std::fs;

fn source(file: &str) -> String {
    fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The names that a root file exports, and the module that readers are led to.
fn exported(root: &str) -> BTreeSet<&str> {
    let statements = root.split(';').filter(|it| !it.contains("#[doc(hidden)]"));
    let shown = statements.filter_map(|it| it.split_once("\npub ").map(|(_, item)| item));
    let names = shown.flat_map(|item| {
        let names = item.rsplit("::").next().unwrap_or(item);
        let names = names.trim_start_matches("mod ").trim_matches(['{', '}']);
        names.split(',').map(str::trim)
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_front_page_names_every_item() {
    let root = source("lib.rs");
    let page = root.split("#![doc").next().unwrap();
    let exported = exported(&root);
    assert!(exported.len() > 60, "{exported:?}");
    let is_left_out = |name: &&&str| !page.contains(&format!("[`{name}`]"));
    let left_out: Vec<_> = exported.iter().filter(is_left_out).collect();
    assert!(left_out.is_empty(), "add to a topic: {left_out:?}");
}

/// The public functions of an `impl` whose docs have no example.
fn without_example(text: &str, of: &str) -> Vec<String> {
    let opens = format!("\nimpl {of} {{\n");
    let blocks = text.split(&opens).skip(1);
    let blocks = blocks.map(|block| block.split("\n}\n").next().unwrap_or(block));
    let functions = blocks.flat_map(|block| block.split("\n    }\n"));
    let named = functions.filter_map(|function| {
        let (doc, rest) = function.split_once("    pub fn ")?;
        let name = rest.split(['(', '<']).next()?;
        (!doc.contains("/// ```")).then(|| format!("{of}::{name}"))
    });
    named.collect()
}

#[test]
fn every_method_of_a_client_and_what_starts_a_run_or_a_batcher_has_an_example() {
    let (client, builder) = (source("client.rs"), source("builder.rs"));
    let options = source("pipeline/options.rs");
    let mut without = without_example(&client, "Client");
    without.extend(without_example(&builder, "Client"));
    for kind in ["ForBulk", "ForBatcher"] {
        let of_kind = without_example(&options, &format!("SessionOptions<{kind}>"));
        let starts = |name: &String| name.ends_with("::run") || name.ends_with("::start");
        without.extend(of_kind.into_iter().filter(starts));
    }
    assert_eq!(without, [""; 0]);
}

#[test]
fn a_function_without_an_example_is_found() {
    let text = "\nimpl A {\n    /// Does.\n    pub fn bare(&self) {\n    }\n\n    /// ```\n    pub fn shown<T>() {\n    }\n}\n";
    assert_eq!(without_example(text, "A"), ["A::bare"]);
    let root = "//! [`A`]\npub mod m;\nmod n;\n\npub use a::{A, B};\npub use b::C;\n#[doc(hidden)] // for libimtag\npub use d::D;\n";
    assert_eq!(
        exported(root).into_iter().collect::<Vec<_>>(),
        ["A", "B", "C", "m"]
    );
}
