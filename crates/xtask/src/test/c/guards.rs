//! The recorded interface against what is there: symbols against the library, numbers and layouts against a compiler.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Kit;
use super::jobs::Job;
use crate::Error;
use crate::abi::{Fact, facts_of_header};

/// What the library exports and should not, or should and does not.
pub(super) fn symbols(exported: &[String]) -> Result<Vec<String>, Error> {
    let facts = facts_of_header()?;
    let declared = facts.iter().filter_map(|fact| match fact {
        Fact::Function { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let exported = exported.iter().map(String::as_str);
    Ok(differences(&exported.collect(), &declared.collect()))
}

fn differences(exported: &BTreeSet<&str>, declared: &BTreeSet<&str>) -> Vec<String> {
    let foreign = exported.iter().filter(|name| !name.starts_with("im_"));
    let foreign = foreign.map(|name| {
        format!(
            "libimtag.so exports {name}, which could clash with a symbol of its host: only im_* may be `no_mangle`, in \
             dependencies too"
        )
    });
    let unknown = exported.difference(declared);
    let unknown = unknown.filter(|name| name.starts_with("im_"));
    let unknown = unknown.map(|name| {
        format!(
            "libimtag.so exports {name}, of which the header says nothing: run `cargo xtask header`"
        )
    });
    let missing = declared.difference(exported).map(|name| {
        format!("the header declares {name}, which libimtag.so does not export: is it `no_mangle`?")
    });
    foreign.chain(unknown).chain(missing).collect()
}

/// A compiler's word on numbers and layouts. The record is for x86-64, and so is the check.
pub(super) fn layouts(kit: &Kit) -> Result<Option<Job>, Error> {
    if cfg!(not(target_arch = "x86_64")) {
        return Ok(None);
    }
    let file = kit.folder.join("layouts.c");
    std::fs::write(&file, asserted(&facts_of_header()?))?;
    let file = file.display().to_string();
    let build = kit.compile("gcc", &["-std=c11", "-fsyntax-only", &file], "layouts");
    Ok(Some(Job::of("layouts", build, None)))
}

/// A program that is not one of C if a number or a layout is another one.
fn asserted(facts: &[Fact]) -> String {
    let mut text = "#include <imtag.h>\n".to_owned();
    let mut assert = |what: String| {
        writeln!(text, "_Static_assert({what}, \"as include/abi.txt\");")
            .expect("a String takes all");
    };
    for fact in facts {
        match fact {
            Fact::Number { name, value } => assert(format!("{name} == {value}")),
            Fact::Type { name, of } => {
                assert(format!("_Generic(({name})0, {of}: 1, default: 0)"));
            }
            Fact::Struct {
                name,
                size,
                align,
                fields,
            } => {
                assert(format!(
                    "sizeof({name}) == {size} && _Alignof({name}) == {align}"
                ));
                for field in fields {
                    let (its, at, size, of) = (&field.name, field.offset, field.size, &field.of);
                    assert(format!("offsetof({name}, {its}) == {at}"));
                    assert(format!("sizeof((({name} *)0)->{its}) == {size}"));
                    assert(format!(
                        "_Generic((({name} *)0)->{its}, {of}: 1, default: 0)"
                    ));
                }
            }
            Fact::Handle { .. } | Fact::Callback { .. } | Fact::Function { .. } => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_too_many_or_too_few_is_named_with_what_to_do() {
        let exported = ["im_add", "im_new", "rust_thing"].into();
        let faults = differences(&exported, &["im_add", "im_old"].into());
        assert_eq!(faults.len(), 3);
        assert!(faults[0].starts_with("libimtag.so exports rust_thing, which could clash"));
        assert!(
            faults[1].starts_with("libimtag.so exports im_new, of which the header says nothing")
        );
        assert!(faults[2].starts_with("the header declares im_old, which"));
    }

    #[test]
    fn every_number_and_layout_is_asserted() {
        let text = asserted(&facts_of_header().unwrap());
        for assertion in [
            "(IM_DEFECT == 13,",
            "(sizeof(im_user_tags) == 32 && _Alignof(im_user_tags) == 8,",
            "(offsetof(im_user_tags, tag_count) == 24,",
            "(sizeof(((im_str *)0)->len) == 8,",
        ] {
            assert!(text.contains(assertion), "{assertion}");
        }
    }
}
