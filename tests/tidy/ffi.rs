//! The C interface's own rules, as the sources of the crate ffi have them: every function that C can call is behind the
//! panic boundary, and no other crate may be unsafe.

use proc_macro2::{TokenStream, TokenTree};

use crate::files::{File, assert_none, files_of, read};
use crate::source::words;

/// What is behind the panic boundary: the macros of boundary.rs, handle.rs and requests.rs, and `guarded` itself.
const BOUNDARIES: [&str; 7] = ["free", "guarded", "list", "read", "send", "set", "status"];

/// What needs no boundary: it measures a text, which cannot panic and is no point where a thread is cancelled. It is called
/// for each string of a request, and a boundary takes longer than all that it does.
const MEASURES: &str = "im_str_from";

#[test]
fn every_function_that_c_calls_is_behind_the_panic_boundary() {
    let sources = files_of("rs").filter(|file| file.name.starts_with("crates/ffi/src/"));
    let (mut exported, mut faults) = (0, Vec::new());
    for File { name: file, text } in sources {
        for function in exported_functions(&words(text)) {
            exported += 1;
            faults.extend(fault(function).map(|fault| format!("{file}: {fault}")));
        }
    }
    assert!(exported > 60, "only {exported} found");
    assert_none(faults);
}

/// The words of each function with a symbol of its own, from its attribute to the end of the file. The attribute is
/// `unsafe(no_mangle)`, `unsafe(export_name = …)`, or the older form.
fn exported_functions(words: &[String]) -> impl Iterator<Item = &[String]> {
    let is_exported = |word: &String| word == "no_mangle" || word == "export_name";
    let starts = words
        .iter()
        .enumerate()
        .filter(move |(_, word)| is_exported(word));
    starts.map(|(at, _)| &words[at..])
}

fn fault(function: &[String]) -> Option<String> {
    let at = |word: &str| function.iter().position(|it| it == word).unwrap();
    let (name, body) = (&function[at("fn") + 1], &function[at("{") + 1..]);
    let head = function[..at("fn")].join(" ");
    if !head.contains(" pub ")
        || head.contains("pub (")
        || !head.ends_with(" extern \"C\"")
        || !name.starts_with("im_")
    {
        return Some(format!("{name} is to be `pub extern \"C\" fn im_…`"));
    }
    let rule = format!("one of {BOUNDARIES:?}, and nothing beside it");
    let is_free = name == MEASURES || is_behind_boundary(body);
    (!is_free).then(|| format!("the body of {name} is to be {rule}"))
}

/// True if the body is one call of what is behind the boundary as a whole.
fn is_behind_boundary(body: &[String]) -> bool {
    let arguments = usize::from(body[1] == "!") + 1;
    let mut depth = 0;
    let end = body[arguments..].iter().position(|word| {
        depth += i32::from(word == "(" || word == "{") - i32::from(word == ")" || word == "}");
        depth == 0
    });
    let rest = end.map(|end| &body[arguments + end + 1..]);
    let is_alone = rest.is_some_and(|rest| rest[0] == "}" || (rest[0] == ";" && rest[1] == "}"));
    BOUNDARIES.contains(&body[0].as_str()) && "({".contains(&body[arguments]) && is_alone
}

#[test]
fn only_the_crate_ffi_may_be_unsafe_and_says_why_each_time() {
    let lib = "crates/ffi/src/lib.rs";
    let mut faults = Vec::new();
    for File { name, text } in files_of("rs") {
        if allowances(text.parse().unwrap()) != usize::from(name == lib) {
            faults.push(format!(
                "{name}: allows unsafe code, which {lib} alone may, once"
            ));
        }
    }
    let warning = "#![warn(clippy::undocumented_unsafe_blocks)]";
    if !read(lib).contains(&format!("\n{warning}\n")) {
        faults.push(format!(
            "{lib}: without `{warning}` nobody misses a SAFETY comment"
        ));
    }
    assert_none(faults);
}

/// How often the lint against unsafe code is made laxer, however the attribute is written.
fn allowances(tokens: TokenStream) -> usize {
    let (mut found, mut before) = (0, String::new());
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if ["allow", "expect", "warn"].contains(&before.as_str()) {
                let lints = group.stream().into_iter().map(|it| it.to_string());
                found += lints.filter(|it| it == "unsafe_code").count();
            } else {
                found += allowances(group.stream());
            }
        }
        before = token.to_string();
    }
    found
}

#[test]
fn unsafe_code_is_not_allowed_unseen() {
    for text in [
        "#![allow(unsafe_code)]",
        "#![allow(\n    dead_code,\n    unsafe_code,\n    reason = \"for speed (much)\"\n)]",
        "#[cfg_attr(unix, expect(unsafe_code))] fn fast() {}",
        "#[cfg(test)] mod tests { #[warn(unsafe_code)] fn fast() {} }",
    ] {
        assert_eq!(allowances(text.parse().unwrap()), 1, "{text}");
    }
    let text = "#![deny(unsafe_code)] fn allow(unsafe_codes: u8) {} // allow(unsafe_code)";
    assert_eq!(allowances(text.parse().unwrap()), 0);
}

#[test]
fn what_is_done_before_after_or_beside_the_boundary_is_found_out() {
    let faults = |head: &str, body: &str| {
        let words = words(&format!(
            "#[{head} fn im_add() -> i32 {{ {body} }} fn other() {{ run() }}"
        ));
        exported_functions(&words).filter_map(fault).count()
    };
    let c = "unsafe(no_mangle)] pub extern \"C\"";
    for body in [
        "guarded(0, || 1)",
        "status!(error, |bulk| bulk.end())",
        "free!(bulk);",
    ] {
        assert_eq!(faults(c, body), 0, "{body}");
    }
    for body in [
        "run(); guarded(0, || 1)",
        "let made = run(); guarded(0, || made)",
        "guarded(0, || 1).then(run)",
        "unsafe { run(); guarded(0, || 1) }",
        "other!(error)",
        "7",
    ] {
        assert_eq!(faults(c, body), 1, "{body}");
    }
    for head in [
        "no_mangle] extern \"C\"",
        "unsafe(export_name = \"im_x\")] pub",
        "unsafe(no_mangle)] pub(crate) extern \"C\"",
    ] {
        assert_eq!(faults(head, "guarded(0, || 1)"), 1, "{head}");
    }
}
