//! The C interface's own rules, read from the sources of the crate ffi: every function that C can call runs behind the
//! panic boundary, and nobody else may be unsafe.
//!
//! It reads the form that the sources have: what C calls stands at the left margin, and its body ends with a `}` there.

use std::collections::BTreeSet;
use std::fs;

use super::sources::source_files;
use super::{assert_none, read};
use crate::cargo::root;

/// Where the panic boundary begins. A function of the same file that itself ends in one will do as well: `set`,
/// `of_error`, `of_result`, `counted`.
const BOUNDARIES: [&str; 3] = ["boundary", "boundary_of_get", "guarded"];

/// What may be called before it, as it cannot panic: it makes a value of its arguments, no more.
const HARMLESS: [&str; 1] = ["Supplier::new"];

/// A function of a source file.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    exported: bool,
    body: String,
}

#[test]
fn every_function_that_c_calls_runs_behind_the_panic_boundary() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        faults.extend(outside(&text).map(|name| {
            format!(
                "{file}: {name} does something outside of the panic boundary: let its body be `boundary(…)`, \
                 `guarded(…)`, or a function of this file that is"
            )
        }));
    }
    assert_none(faults);
}

#[test]
fn what_c_can_call_is_written_in_one_way() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let ours = functions(&text).filter(|function| function.exported);
        let ours = ours.count();
        let said = |what: &str| text.matches(what).count();
        for what in ["no_mangle", "#[unsafe(no_mangle)]\npub "] {
            if said(what) != ours {
                faults.push(format!(
                    "{file}: {} of {what:?} for {ours} functions that C can call: write each as \
                     `#[unsafe(no_mangle)]` and, in the next line, `pub extern \"C\" fn im_…`",
                    said(what)
                ));
            }
        }
        if said("export_name") > 0 || said("link_section") > 0 {
            faults.push(format!(
                "{file}: a symbol by another name than its function's"
            ));
        }
        let others = functions(&text).filter(|it| it.exported && !it.name.starts_with("im_"));
        faults.extend(others.map(|it| format!("{file}: {} has no prefix im_", it.name)));
    }
    assert_none(faults);
}

#[test]
fn only_the_crate_ffi_may_be_unsafe_and_says_why_each_time() {
    let lib = "crates/ffi/src/lib.rs";
    let allows = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named = words.filter(|word| *word == "unsafe_code").count();
        named > 0 && (text.contains("allow(") || text.contains("expect("))
    };
    let mut faults = Vec::new();
    for path in source_files() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let attributes = text.lines().filter(|line| line.trim().starts_with("#"));
        if attributes.filter(|line| allows(line)).count() != usize::from(name == lib) {
            faults.push(format!(
                "{name}: allows unsafe code, which {lib} alone may, once"
            ));
        }
    }
    if !read(lib).contains("\n#![warn(clippy::undocumented_unsafe_blocks)]\n") {
        faults.push(format!(
            "{lib}: without `#![warn(clippy::undocumented_unsafe_blocks)]` nobody misses a SAFETY comment"
        ));
    }
    if !read("Cargo.toml").contains("\nunsafe_code = \"deny\"") {
        faults.push("Cargo.toml: the workspace's lints do not deny unsafe_code".to_owned());
    }
    assert_none(faults);
}

/// The crate's files with their text, tests left out.
fn sources() -> Vec<(String, String)> {
    let files = source_files().into_iter();
    let files = files.filter(|path| path.starts_with(root().join("crates/ffi/src")));
    files
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let text = text
                .split("\n#[cfg(test)]\nmod ")
                .next()
                .unwrap_or_default();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            (name, text.to_owned())
        })
        .collect()
}

/// The functions at the left margin.
fn functions(text: &str) -> impl Iterator<Item = Function> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    let mut exported = false;
    while let Some(line) = lines.next() {
        let words = ["pub ", "pub(crate) ", "unsafe ", "extern \"C\" "];
        let bare = words
            .iter()
            .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
        if let Some(rest) = bare.strip_prefix("fn ") {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let mut head = line;
            while !head.ends_with('{') {
                head = lines.next().unwrap_or("{");
            }
            let mut body = String::new();
            for line in lines.by_ref().take_while(|line| *line != "}") {
                body += line.split("// ").next().unwrap_or_default().trim();
                body.push('\n');
            }
            found.push(Function {
                name: name.to_owned(),
                exported,
                body,
            });
        }
        exported = line.contains("no_mangle");
    }
    found.into_iter()
}

/// Functions that C calls and that do something outside of the boundary.
fn outside(text: &str) -> impl Iterator<Item = String> {
    let mut behind: BTreeSet<String> = BOUNDARIES.map(str::to_owned).into();
    let all: Vec<Function> = functions(text).collect();
    // a helper may end in another one
    for _ in 0..all.len() {
        let helpers = all.iter().filter(|function| !function.exported);
        let more: Vec<String> = helpers
            .filter(|helper| is_behind(&helper.body, &behind))
            .map(|helper| helper.name.clone())
            .collect();
        behind.extend(more);
    }
    let exported = all.into_iter().filter(|function| function.exported);
    let outside = exported.filter(move |function| !is_behind(&function.body, &behind));
    outside.map(|function| function.name)
}

/// Whether all that a body does is behind one of `entries`. A closure does nothing where it is made.
fn is_behind(body: &str, entries: &BTreeSet<String>) -> bool {
    let mut statements = statements(body);
    // a function without a value may end in a semicolon
    if statements.last().is_some_and(String::is_empty) {
        statements.pop();
    }
    let last = statements.pop().unwrap_or_default();
    let value = |statement: &str| -> Option<String> {
        let (_, value) = statement.strip_prefix("let ")?.split_once(" = ")?;
        Some(value.trim().to_owned())
    };
    called(&last).is_some_and(|name| entries.contains(name))
        && statements.iter().all(|statement| {
            value(statement).is_some_and(|value| {
                value.starts_with(['|']) || value.starts_with("move |") || {
                    let name = called(&value);
                    name.is_some_and(|name| entries.contains(name) || HARMLESS.contains(&name))
                }
            })
        })
}

/// What an expression calls first, also within `unsafe { … }`, which then holds nothing else.
fn called(expression: &str) -> Option<&str> {
    let inner = expression.strip_prefix("unsafe {");
    let inner = inner
        .map_or(Some(expression), |inner| inner.strip_suffix('}'))?
        .trim();
    let (name, arguments) = inner.split_once('(')?;
    let whole = arguments.ends_with(')') && statements(inner).len() == 1 && closes_last(arguments);
    whole.then_some(name)
}

/// Whether the parenthesis that was opened before is closed by the last character.
fn closes_last(arguments: &str) -> bool {
    let mut depth = 1_usize;
    for (at, character) in arguments.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1 == arguments.len();
        }
    }
    false
}

/// What stands between semicolons that are within nothing, the value of the body last.
fn statements(body: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut depth = 0_usize;
    for character in body.chars() {
        match character {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => {
                statements.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = statements.last_mut() {
            last.push(character);
        }
    }
    let statements = statements.into_iter();
    statements.map(|text| text.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(body: &str) -> String {
        let head = "/// Adds.\n#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn im_add(\n    call: u8,\n) -> i32 {\n";
        format!("{head}{body}\n}}\n")
    }

    fn found_out(body: &str, helper: &str) -> bool {
        outside(&(function(body) + helper)).eq(["im_add"])
    }

    #[test]
    fn a_body_that_is_the_boundary_or_ends_in_it_passes() {
        assert!(!found_out("    guarded(0, || 1)", ""));
        let act =
            "    let act = || {\n        // SAFETY: so.\n        run();\n        Ok(())\n    };\n";
        assert!(!found_out(
            &format!("{act}    // SAFETY: so.\n    unsafe {{ boundary(error, act) }}"),
            ""
        ));
    }

    #[test]
    fn a_helper_passes_only_if_it_is_behind_the_boundary_itself() {
        let set = "unsafe fn set<T>(it: T) -> i32\nwhere\n    T: Copy,\n{\n    guarded(0, || it.go())\n}\n";
        assert!(!found_out("    unsafe { set(call) }", set));
        assert!(found_out(
            "    unsafe { set(call) }",
            "fn set() {\n    it.go()\n}\n"
        ));
        assert!(found_out("    unsafe { set(call) }", ""));
    }

    #[test]
    fn what_is_done_before_after_or_beside_the_boundary_is_found_out() {
        assert!(found_out("    run();\n    guarded(0, || 1)", ""));
        assert!(found_out(
            "    let made = run();\n    guarded(0, || made)",
            ""
        ));
        assert!(found_out("    guarded(0, || 1).then(run)", ""));
        assert!(found_out("    guarded(0, || 1);\n    run()", ""));
        assert!(found_out("    unsafe { run(); guarded(0, || 1) }", ""));
        assert!(found_out("    7", ""));
    }

    #[test]
    fn a_function_is_exported_if_the_line_before_says_so() {
        let text = function("    guarded(0, || 1)") + "fn other() {\n    7\n}\n";
        let found: Vec<(String, bool)> = functions(&text)
            .map(|function| (function.name, function.exported))
            .collect();
        assert_eq!(
            found,
            [("im_add".to_owned(), true), ("other".to_owned(), false)]
        );
    }
}
