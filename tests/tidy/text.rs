//! The form and the words of our own text. A source file opens with its module's doc, is short and without tabs, and is
//! named for a concept; no function is named `of`; a list that claims to be in order is; and some words are banned, as
//! plainer ones say the same.

use crate::files::{File, assert_none, files, files_of};

/// A file is one concept, whole: most have 150 to 400 lines.
const LINES_AT_MOST: usize = 500;

/// What claims that the lines after it are in order, up to one that closes a bracket.
const SORTED: &str = "// keep sorted";

/// What is banned, and what to write instead.
const BANNED: [(&str, &str); 10] = [
    ("but for", "except, apart from"),
    ("gave out", "became unavailable"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("not let in", "rejected"),
    ("so that nobody", "so that no …"),
    ("whoever", "the caller, the user, who"),
    ("whom", "who, for which"),
    ("whomever", "anybody"),
];

/// This file has the words that it bans.
const THIS_FILE: &str = "tests/tidy/text.rs";

#[test]
fn every_source_file_has_the_form_that_all_have() {
    let faults = files_of("rs").flat_map(|File { name, text }| {
        let faults = ill_formed(text).into_iter();
        faults.map(move |fault| format!("{name}{fault}"))
    });
    assert_none(faults.collect());
}

#[test]
fn no_file_is_named_for_having_no_concept() {
    let named = files_of("rs").filter(|file| is_of_no_concept(&file.name));
    assert_none(named.map(|file| file.name.clone()).collect());
}

#[test]
fn no_text_of_ours_has_a_banned_word() {
    let mut faults = Vec::new();
    for File { name, text } in files().iter().filter(|file| file.name != THIS_FILE) {
        for (line, word, instead) in banned_words(text) {
            faults.push(format!("{name}:{line}: {word:?}: write {instead}"));
        }
    }
    assert_none(faults);
}

fn is_of_no_concept(path: &str) -> bool {
    let name = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let name = name.rsplit('/').next().unwrap_or(name);
    ["util", "utils", "helper", "helpers", "misc", "common"].contains(&name)
}

/// What is wrong with a source text, each fault as it goes on after the name of the file.
fn ill_formed(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") && !text.starts_with("#![doc") {
        faults.push(": does not open with its module's doc".to_owned());
    }
    let mut previous: Option<&str> = None;
    let mut condition_goes_on = false;
    let mut number = 0;
    for line in text.lines() {
        number += 1;
        if line.contains('\t') {
            faults.push(format!(":{number}: a tab"));
        }
        let line = line.trim();
        // not in a string
        let is_of =
            |(before, after): (&str, &str)| after.starts_with(['(', '<']) && !before.contains('"');
        if line.split_once("fn of").is_some_and(is_of) {
            faults.push(format!(":{number}: `of` does not say what of"));
        }
        // the oldest Rust that builds the workspace cannot read it, and no lint looks at syntax
        let chained = line.starts_with("&& let ") || (condition_goes_on && line.starts_with("&& "));
        let is_let = ["if let ", "} else if let ", "while let "]
            .iter()
            .any(|start| line.starts_with(start));
        condition_goes_on = is_let && !line.ends_with('{');
        let chained = chained || (is_let && line.contains(" && "));
        if chained || (line.contains(" && let ") && !line.contains('"')) {
            faults.push(format!(
                ":{number}: a chain of `let`, which needs Rust 1.88"
            ));
        }
        if line == SORTED {
            previous = Some("");
        } else if line.starts_with([']', '}', ')']) {
            previous = None;
        } else if let Some(before) = previous {
            if line < before {
                faults.push(format!(":{number}: not in the order that the list claims"));
            }
            previous = Some(line);
        }
    }
    if number > LINES_AT_MOST {
        faults.push(format!(": {number} lines, at most {LINES_AT_MOST}"));
    }
    faults
}

/// The banned words of a text: the line, the word, and what to write instead. A phrase may be wrapped over the lines of a
/// comment, and the parts of a name count as words.
fn banned_words(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let text = text.to_lowercase();
    let words: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .flat_map(|(line, text)| {
            let words = text.split(|c: char| !c.is_alphanumeric());
            words.map(move |word| (line, word))
        })
        .filter(|(_, word)| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for at in 0..words.len() {
        for (phrase, instead) in BANNED {
            let rest = words[at..].iter().map(|(_, word)| *word);
            let length = phrase.split(' ').count();
            if rest.take(length).eq(phrase.split(' ')) {
                found.push((words[at].0, phrase, instead));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_source_text_is_found() {
        let long = "//! Decides much.\n".repeat(501);
        let list = |claim: &str, first: &str| format!("//! D.\n[\n{claim}\n{first},\nb,\n]\na,\n");
        for (text, fault) in [
            ("//! Decides this.\n\nfn of_it() {}\n", None),
            ("#![doc = include_str!(\"../README.md\")]\n", None),
            (
                "use a;\n//! Late.\n",
                Some(": does not open with its module's doc"),
            ),
            ("//! Decides this.\n\tx\n", Some(":2: a tab")),
            (
                "//! D.\nfn of(a: A) {}\n",
                Some(":2: `of` does not say what of"),
            ),
            (
                "//! D.\nfn of<T>() {}\n",
                Some(":2: `of` does not say what of"),
            ),
            (&long, Some(": 501 lines, at most 500")),
            (&list(SORTED, "a"), None),
            (
                &list(SORTED, "c"),
                Some(":5: not in the order that the list claims"),
            ),
            (&list("// as they come", "c"), None),
            (
                "//! D.\n    if let Some(a) = b\n        && a\n    {}\n",
                Some(":3: a chain of `let`, which needs Rust 1.88"),
            ),
            (
                "//! D.\nif a && let b = c {}\n",
                Some(":2: a chain of `let`, which needs Rust 1.88"),
            ),
            ("//! D.\nif a\n    && b\n{}\n", None),
        ] {
            assert_eq!(ill_formed(text), Vec::from_iter(fault), "{text}");
        }
    }

    #[test]
    fn a_module_is_known_by_its_file_or_its_folder() {
        assert!(is_of_no_concept("src/util.rs"));
        assert!(is_of_no_concept("src/util/mod.rs"));
        assert!(!is_of_no_concept("src/utility.rs"));
    }

    #[test]
    fn a_banned_word_is_found_in_text_in_a_name_and_over_two_lines() {
        for (text, expected) in [
            ("It is clean.\nWhoever:", Some((2, "whoever"))),
            ("fn for_whom()", Some((1, "whom"))),
            ("/// all, but\n    /// for one", Some((1, "but for"))),
            ("amend it, but not for long; give out", None),
        ] {
            let found = banned_words(text).into_iter();
            let found: Vec<_> = found.map(|(line, word, _)| (line, word)).collect();
            assert_eq!(found, Vec::from_iter(expected), "{text}");
        }
    }
}
