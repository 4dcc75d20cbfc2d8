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
pub(super) fn faults(exported: &[String]) -> Result<Vec<String>, Error> {
    let (header, recorded) = (of_header()?, recorded()?);
    let exported: BTreeSet<String> = exported.iter().cloned().collect();
    let foreign = exported.iter().filter(|name| !name.starts_with("im_"));
    let foreign = foreign.map(|name| {
        format!(
            "libimtag.so exports {name}, which could clash with a symbol of its host: only im_* may be `no_mangle`, in \
             dependencies too"
        )
    });
    let mut faults: Vec<String> = foreign.collect();
    let hidden = exported.difference(&header);
    let hidden = hidden.filter(|name| name.starts_with("im_"));
    faults.extend(
        hidden.map(|name| {
            format!(
                "{name} is exported and not in the header: run `cargo xtask header`, which has its module in ORDER"
            )
        }),
    );
    faults.extend(without_line(&header, &recorded));
    Ok(faults)
}

fn without_line(header: &BTreeSet<String>, recorded: &BTreeSet<String>) -> Vec<String> {
    let new = header.difference(recorded).map(|name| {
        format!(
            "{name} is new in the C interface: add its line to tests/c/abi.c and to CHANGELOG.md"
        )
    });
    new.collect()
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
        let recorded = recorded().unwrap_or_else(|fault| panic!("{fault}"));
        let faults = without_line(&of_header().unwrap(), &recorded);
        assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
        assert!(recorded.contains("im_add_tag") && recorded.contains("IM_OK"));
    }

    #[test]
    fn a_symbol_that_is_new_hidden_or_foreign_is_named_with_what_to_do() {
        let exported = ["im_add_tag", "im_hidden", "rust_thing"].map(str::to_owned);
        let faults = faults(&exported).unwrap();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("libimtag.so exports rust_thing, which could clash"));
        assert_eq!(
            faults[1],
            "im_hidden is exported and not in the header: run `cargo xtask header`"
        );
        let header = ["im_add_tag", "im_new"].map(str::to_owned).into();
        let new = without_line(&header, &recorded().unwrap());
        assert_eq!(
            new,
            ["im_new is new in the C interface: add its line to tests/c/abi.c and to CHANGELOG.md"]
        );
    }
}
