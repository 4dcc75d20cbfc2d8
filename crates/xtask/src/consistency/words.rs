//! The words of our own text: some are banned, as plainer ones say the same. See CONTRIBUTING.md.

use std::fs;
use std::path::{Path, PathBuf};

use super::{assert_none, sources};
use crate::cargo::root;

/// What is banned, and what to write instead.
const BANNED: [(&str, &str); 9] = [
    ("but for", "except, apart from"),
    ("gave out", "became unavailable"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("not let in", "rejected"),
    ("so that nobody", "so that no …"),
    ("whoever", "the caller, the user, who"),
    ("whom", "who, for which"),
];

/// This file has the words that it bans.
const THIS_FILE: &str = "crates/xtask/src/consistency/words.rs";

/// The endings of text that people read.
const ENDINGS: [&str; 9] = ["c", "cpp", "go", "h", "hpp", "json", "md", "py", "rs"];

/// The pages in the root.
const PAGES: [&str; 4] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
];

#[test]
fn no_text_of_ours_has_a_banned_word() {
    let mut faults = Vec::new();
    for path in texts() {
        let name = path.strip_prefix(root()).unwrap();
        if name == Path::new(THIS_FILE) {
            continue;
        }
        let text = fs::read(&path).unwrap();
        for (line, word, instead) in banned_words(&String::from_utf8_lossy(&text)) {
            let name = name.display();
            faults.push(format!("{name}:{line}: {word:?}: write {instead}"));
        }
    }
    assert_none(faults);
}

fn texts() -> Vec<PathBuf> {
    let pages = PAGES.map(|page| root().join(page)).into_iter();
    let header = root().join("include/imtag.h");
    let files = ENDINGS.into_iter().flat_map(sources::files);
    files.chain(pages).chain([header]).collect()
}

/// The banned words of a text: the line, the word, and what to write instead. A phrase may be wrapped over the lines of a
/// comment, and the parts of a name count as words.
fn banned_words(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let text = text.to_lowercase();
    let lines = (1..).zip(text.lines());
    let words: Vec<(usize, &str)> = lines
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
    fn a_banned_word_is_found_in_text_in_a_name_and_over_two_lines() {
        let found = |text: &str| {
            let found = banned_words(text).into_iter();
            found
                .map(|(line, word, _)| (line, word))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("It is clean.\nWhoever:"), [(2, "whoever")]);
        assert_eq!(found("fn for_whom()"), [(1, "whom")]);
        assert_eq!(found("/// all, but\n    /// for one"), [(1, "but for")]);
        assert_eq!(found("amend it, but not for long; give out"), []);
    }
}
