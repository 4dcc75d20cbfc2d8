//! The C interface, as tests/c/abi.c records it: which names have a line there. What the lines say a compiler holds
//! against include/imtag.h.

use std::collections::BTreeSet;
use std::process::Command;

use crate::cargo::root;
use crate::error::Error;
use crate::program::output;

/// Names of the header that are no promise, or that tests/c/header.c and version.c hold.
const NOT_RECORDED: [&str; 2] = ["IM_STR", "IM_VERSION"];

/// What is wrong between the header, the record, and the symbols of a library.
pub fn faults(exported: &[String]) -> Result<Vec<String>, Error> {
    let (header, recorded) = (of_header()?, recorded()?);
    let mut faults = Vec::new();
    for name in exported {
        if !name.starts_with("im_") {
            faults.push(format!(
                "libimtag.so exports {name}, which could clash with a symbol of its host: only im_* may be `no_mangle`, \
                 in dependencies too"
            ));
        } else if !header.contains(name) {
            faults.push(format!(
                "{name} is exported and not in the header: run `cargo xtask header`"
            ));
        }
    }
    let new = header.difference(&recorded).map(|name| {
        format!(
            "{name} is new in the C interface: add its line to tests/c/abi.c and to CHANGELOG.md"
        )
    });
    faults.extend(new);
    Ok(faults)
}

/// The names of the interface that the header has outside of comments.
fn of_header() -> Result<BTreeSet<String>, Error> {
    let mut cc = Command::new("cc");
    cc.args(["-E", "-P", "-dD", "-x", "c"]);
    let code = output(cc.arg(root().join("include/imtag.h")))?;
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("im_") || word.starts_with("IM_"));
    let recorded = ours.filter(|word| !NOT_RECORDED.iter().any(|other| word.starts_with(other)));
    Ok(recorded.map(str::to_owned).collect())
}

/// The names that have a line, if the header is as they say: each is a symbol of the compiled record.
fn recorded() -> Result<BTreeSet<String>, Error> {
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-S", "-o", "-"]);
    cc.arg(format!("-I{}", root().join("include").display()));
    let assembly = output(cc.arg(root().join("tests/c/abi.c"))).map_err(|why| {
        format!(
            "the C interface is not as tests/c/abi.c records it; what is gone or changed there breaks programs, unless \
             this SONAME is not released yet: {why}"
        )
    })?;
    let labels = assembly.lines().filter_map(|line| line.strip_suffix(':'));
    let names = labels.filter_map(|label| label.strip_prefix("recorded_"));
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_interface_is_the_recorded_one() {
        assert_eq!(faults(&[]).unwrap(), [""; 0]);
        let recorded = recorded().unwrap();
        assert!(recorded.contains("im_add_tag") && recorded.contains("IM_OK"));
    }

    #[test]
    fn a_symbol_that_is_hidden_or_foreign_is_named_with_what_to_do() {
        let exported = ["im_add_tag", "im_hidden", "rust_thing"].map(str::to_owned);
        let faults = faults(&exported).unwrap();
        assert_eq!(
            faults[0],
            "im_hidden is exported and not in the header: run `cargo xtask header`"
        );
        assert!(faults[1].starts_with("libimtag.so exports rust_thing, which could clash"));
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
