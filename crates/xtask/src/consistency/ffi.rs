//! The C interface's own rules, as the sources of the crate ffi have them: every function that C can call is behind the
//! panic boundary, and no other crate may be unsafe.

use syn::{Attribute, Expr, Item, ItemFn, Stmt, Visibility};

use super::{File, assert_none, files_of, read};

/// What is behind the panic boundary: the macros of boundary.rs, handle.rs and requests.rs, and `guarded` itself.
const BOUNDARIES: [&str; 7] = ["free", "guarded", "list", "read", "send", "set", "status"];

/// What needs no boundary: it measures a text, which cannot panic and is no point where a thread is cancelled. It is called
/// for each string of a request, and a boundary takes longer than all that it does.
const MEASURES: &str = "im_str_from";

#[test]
fn every_function_that_c_calls_is_behind_the_panic_boundary() {
    let mut exported = 0;
    let mut faults = Vec::new();
    for File { name: file, text } in files_of("rs") {
        if !file.starts_with("crates/ffi/src/") {
            continue;
        }
        let items = syn::parse_file(text).unwrap().items;
        for function in items.iter().filter_map(exported_function) {
            exported += 1;
            let name = &function.sig.ident;
            if name != MEASURES && !is_behind_boundary(function) {
                let rule = format!("one of {BOUNDARIES:?}, and nothing beside it");
                faults.push(format!("{file}: the body of {name} is to be {rule}"));
            }
            let c_abi = function.sig.abi.as_ref().and_then(|abi| abi.name.as_ref());
            let is_c = c_abi.is_some_and(|abi| abi.value() == "C");
            let is_public = matches!(function.vis, Visibility::Public(_));
            if !is_c || !is_public || !name.to_string().starts_with("im_") {
                faults.push(format!(
                    "{file}: {name} is to be `pub extern \"C\" fn im_…`"
                ));
            }
        }
    }
    assert!(exported > 60, "only {exported} found");
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
    for File { name, text } in files_of("rs") {
        let attributes = text.lines().filter(|line| line.trim().starts_with("#"));
        if attributes.filter(|line| allows(line)).count() != usize::from(name == lib) {
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

/// A function with a symbol of its own. Its attribute is `unsafe(no_mangle)`, `unsafe(export_name = …)`, or the older form.
fn exported_function(item: &Item) -> Option<&ItemFn> {
    let Item::Fn(function) = item else {
        return None;
    };
    let names = |attribute: &Attribute, word: &str| {
        let inner = attribute.parse_args::<syn::Meta>().ok();
        let inner = inner.filter(|_| attribute.path().is_ident("unsafe"));
        attribute.path().is_ident(word) || inner.is_some_and(|meta| meta.path().is_ident(word))
    };
    let mut attributes = function.attrs.iter();
    let exports = attributes.any(|it| names(it, "no_mangle") || names(it, "export_name"));
    exports.then_some(function)
}

/// True if the body is one expression that is behind the boundary as a whole.
fn is_behind_boundary(function: &ItemFn) -> bool {
    let [statement] = function.block.stmts.as_slice() else {
        return false;
    };
    let called = match statement {
        Stmt::Macro(statement) => Some(&statement.mac.path),
        Stmt::Expr(Expr::Macro(expression), _) => Some(&expression.mac.path),
        Stmt::Expr(Expr::Call(call), _) => match call.func.as_ref() {
            Expr::Path(function) => Some(&function.path),
            _ => None,
        },
        _ => None,
    };
    called.is_some_and(|path| BOUNDARIES.iter().any(|name| path.is_ident(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found_out(body: &str) -> bool {
        let head = "#[unsafe(no_mangle)] pub extern \"C\" fn im_add() -> i32";
        let file = syn::parse_file(&format!("{head} {{ {body} }} fn other() {{ run() }}")).unwrap();
        let mut exported = file.items.iter().filter_map(exported_function);
        let found = exported.next().is_some_and(|it| !is_behind_boundary(it));
        assert!(exported.next().is_none());
        found
    }

    #[test]
    fn what_is_done_before_after_or_beside_the_boundary_is_found_out() {
        assert!(!is_found_out("guarded(0, || 1)"));
        assert!(!is_found_out("status!(error, |bulk| bulk.end())"));
        assert!(!is_found_out("free!(bulk);"));
        for body in [
            "run(); guarded(0, || 1)",
            "let made = run(); guarded(0, || made)",
            "guarded(0, || 1).then(run)",
            "unsafe { run(); guarded(0, || 1) }",
            "other!(error)",
            "7",
        ] {
            assert!(is_found_out(body), "{body}");
        }
    }

    #[test]
    fn a_function_is_exported_however_its_attribute_is_written() {
        for attribute in [
            "no_mangle",
            "unsafe(no_mangle)",
            "unsafe(export_name = \"im_x\")",
        ] {
            let file = syn::parse_file(&format!("#[{attribute}] fn x() {{}}")).unwrap();
            assert_eq!(file.items.iter().filter_map(exported_function).count(), 1);
        }
    }
}
