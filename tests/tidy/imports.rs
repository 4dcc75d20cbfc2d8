//! Which file imports which inside each crate, read from the words of its sources: no file imports one that imports it,
//! not even by way of others; none imports from a layer above its own; and none through the crate's root. What a module
//! only re-exports counts as of the file that defines it. Tests may import as they like.

use std::collections::{BTreeMap, BTreeSet};

use imtag_checks::cargo::root;
use imtag_checks::metadata::Metadata;

use crate::files::{File, assert_none, files};
use crate::layers::{LAYERS, Layers};
use crate::source::words;

#[test]
fn no_file_imports_one_that_imports_it_or_one_of_a_higher_layer() {
    let faults = LAYERS
        .iter()
        .map(|(folder, layers)| faults(files(), folder, layers));
    assert_none(faults.flatten().collect());
}

#[test]
fn no_crate_of_the_workspace_is_left_out() {
    let workspace = Metadata::read(&["--no-deps"]).unwrap();
    let sources = workspace.ours().map(|it| {
        let sources = it.manifest_path.with_file_name("src");
        let sources = sources.strip_prefix(root()).unwrap();
        sources.display().to_string()
    });
    let is_listed = |folder: &String| LAYERS.iter().any(|it| it.0 == folder);
    let left_out = sources.filter(|folder| !is_listed(folder));
    assert_none(
        left_out
            .map(|it| format!("{it} has no layers: add them to layers.rs"))
            .collect(),
    );
}

/// The files of a crate, by their modules: `wait::lock`; the root is empty.
type Sources = BTreeMap<String, Source>;

/// Which file imports which, and a path by which it does.
type Imports<'s> = BTreeMap<(&'s str, &'s str), &'s str>;

/// What a file says of others of its crate.
#[derive(Default)]
struct Source {
    file: String,
    module: String,
    /// The modules that it declares, except those of tests.
    children: Vec<String>,
    /// The paths that it names, from the crate's root.
    named: BTreeSet<String>,
    /// Those that it imports, by the name that they have here.
    imported: BTreeMap<String, String>,
    /// The names that it imports from other crates, or declares of a file there.
    foreign: BTreeSet<String>,
}

fn faults(files: &[File], folder: &str, layers: &Layers) -> Vec<String> {
    let sources = read(files, folder);
    let mut imports = Imports::new();
    let mut faults = Vec::new();
    for source in sources.values() {
        let file = &source.file;
        for path in &source.named {
            let Some(definer) = definer(&sources, path) else {
                continue;
            };
            if innermost(&sources, path).module.is_empty() {
                faults.push(format!(
                    "{file} imports {path:?} through the crate's root: import it from its module"
                ));
            }
            let [here, there] = [source, definer].map(|it| layer(layers, &it.module));
            if here.is_some() && here < there {
                let higher = &definer.file;
                faults.push(format!("{file} imports {higher} of a higher layer: {path}"));
            }
            if definer.file != *file {
                imports.insert((file, &definer.file), path);
            }
        }
        if layer(layers, &source.module).is_none() && !source.module.is_empty() {
            faults.push(format!("{file} is in no layer: add it to layers.rs"));
        }
    }
    faults.extend(circles(&imports));
    faults
}

/// The layer of a module; none of the root.
fn layer(layers: &Layers, module: &str) -> Option<usize> {
    let listed = |layer: &&str| layer.split_whitespace().any(|it| it == module);
    let listed = layers.iter().position(listed);
    listed.or_else(|| layer(layers, module.rsplit_once("::")?.0))
}

/// The module whose file a path leads to.
fn innermost<'s>(sources: &'s Sources, path: &str) -> &'s Source {
    let above = || path.rsplit_once("::").map_or("", |(above, _)| above);
    let source = sources.get(path);
    source.unwrap_or_else(|| innermost(sources, above()))
}

/// The module that defines what a path names; that of a module is itself. `None` where it is of another crate.
fn definer<'s>(sources: &'s Sources, path: &str) -> Option<&'s Source> {
    let source = innermost(sources, path);
    let rest = path[source.module.len()..].trim_start_matches("::");
    let name = split_first(rest).0;
    match source.imported.get(name) {
        Some(path) => definer(sources, path),
        None => (!source.foreign.contains(name)).then_some(source),
    }
}

/// The imports of files that import the importer, too, if only by way of others.
fn circles(imports: &Imports) -> Vec<String> {
    let is_in_circle = |(from, to): &(&str, &str)| {
        let mut reached = BTreeSet::from([*to]);
        let mut next = vec![*to];
        while let Some(file) = next.pop() {
            let imported = imports.keys().filter(|edge| edge.0 == file);
            next.extend(imported.filter_map(|edge| reached.insert(edge.1).then_some(edge.1)));
        }
        reached.contains(from)
    };
    let circles = imports.iter().filter(|(edge, _)| is_in_circle(edge));
    let say = |((from, to), path): (&(&str, &str), &&str)| {
        format!("{from} imports {to}, which imports it, too, if by others: {path}")
    };
    circles.map(say).collect()
}

fn read(files: &[File], folder: &str) -> Sources {
    let mut sources = Sources::new();
    let mut modules = vec![String::new()];
    while let Some(module) = modules.pop() {
        let path = format!("{folder}/{}", module.replace("::", "/"));
        let names = ["lib.rs", "main.rs", ".rs", "/mod.rs"].map(|end| format!("{path}{end}"));
        let file = files.iter().find(|file| names.contains(&file.name));
        let file = file.unwrap_or_else(|| panic!("there is no file of {module}"));
        let source = Source::read(file, &module);
        modules.extend(source.children.iter().map(|child| below(&module, child)));
        sources.insert(module, source);
    }
    sources
}

fn below(module: &str, path: &str) -> String {
    [module, path]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("::")
}

impl Source {
    fn read(file: &File, module: &str) -> Source {
        let words = words(&file.text);
        let mut source = Source {
            file: file.name.clone(),
            module: module.to_owned(),
            ..Source::default()
        };
        for (at, it) in words.windows(3).enumerate() {
            if it[0] == "mod" && it[2] == ";" {
                // `#[path = "…"]`: a file of another crate
                if at >= 4 && words[at - 4] == "path" {
                    source.foreign.insert(it[1].clone());
                } else {
                    source.children.push(it[1].clone());
                }
            }
        }

        let mut used = Vec::new();
        for (module, path, alias) in paths(&words, module) {
            match (alias, source.absolute(&module, &path)) {
                (Some(alias), Some(path)) => drop(source.imported.insert(alias, path)),
                (Some(alias), None) => drop(source.foreign.insert(alias)),
                (None, _) => used.push((module, path)),
            }
        }
        source.named = source.imported.values().cloned().collect();
        for (module, path) in used {
            let path = source.absolute(&module, &path).or_else(|| {
                let (first, rest) = path.split_once("::")?;
                Some(below(source.imported.get(first)?, rest))
            });
            source.named.extend(path);
        }
        source
    }

    /// The path from the crate's root; `None` of what is not of this crate, or is here by an import.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let (mut above, mut rest) = (None, path);
        while let (first @ ("crate" | "self" | "super"), later) = split_first(rest) {
            let from = above.unwrap_or(module);
            above = Some(match first {
                "crate" => "",
                "self" => from,
                _ => from.rsplit_once("::").map_or("", |(above, _)| above),
            });
            rest = later;
        }
        let is_child = self.children.iter().any(|it| it == split_first(rest).0);
        let above = above.or(is_child.then_some(module));
        above.map(|above| below(above, rest))
    }
}

fn split_first(path: &str) -> (&str, &str) {
    path.split_once("::").unwrap_or((path, ""))
}

/// The paths among words, each with the module that it stands in, and the name that an import gives it.
fn paths(words: &[String], module: &str) -> Vec<(String, String, Option<String>)> {
    let mut paths = Vec::new();
    // of each open brace: the module in it, and the path before it
    let mut open = vec![(module.to_owned(), String::new())];
    let mut importing = false;
    for (at, word) in words.iter().enumerate() {
        let (module, before) = open.last().unwrap().clone();
        let next = |nth| words.get(at + nth).map_or("", String::as_str);
        match word.as_str() {
            "use" => importing = next(1) != "<",
            "as" if importing => {}
            _ if importing && at > 0 && words[at - 1] == "as" => {}
            ";" => importing = false,
            "{" if importing && words[at - 1].ends_with("::") => {} // it is open already
            "{" if at > 1 && words[at - 2] == "mod" => {
                open.push((below(&module, &words[at - 1]), before));
            }
            "{" => open.push((module, before)),
            "}" => drop(open.pop()),
            word if importing && word.ends_with("::") && next(1) == "{" => {
                open.push((module, before + word));
            }
            word if importing && word.starts_with(char::is_alphabetic) => {
                let path = (before + word)
                    .trim_end_matches("::self")
                    .trim_end_matches("::")
                    .to_owned();
                let name = path.rsplit("::").next().unwrap();
                let alias = if next(1) == "as" { next(2) } else { name };
                paths.push((module, path.clone(), Some(alias.to_owned())));
            }
            word if word.contains("::") && !word.contains('"') => {
                paths.push((module, word.trim_end_matches("::").to_owned(), None));
            }
            _ => {}
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of a crate of these files.
    fn found(texts: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = (texts.iter())
            .map(|(name, text)| File {
                name: format!("src/{name}"),
                text: (*text).to_owned(),
            })
            .collect();
        faults(&files, "src", &["low wide", "high"])
    }

    #[test]
    fn a_circle_is_named_with_its_files_however_it_is_written() {
        let lib = ("lib.rs", "mod wide;");
        let folder = ("wide/mod.rs", "mod one;\nmod two;\npub use one::One;");
        let one = ("wide/one.rs", "use super::two::Two;\npub struct One;");
        let found_in = |two| found(&[lib, folder, one, ("wide/two.rs", two)]);
        let [in_one, in_two] = [("one", "two"), ("two", "one")].map(|(from, to)| {
            format!(
                "src/wide/{from}.rs imports src/wide/{to}.rs, which imports it, too, if by others: "
            )
        });
        for (text, path) in [
            ("use super::One;", "wide::One"),
            ("use crate::wide::{One as Uno};", "wide::One"),
            ("use crate::wide;\nfn two() -> wide::One {}", "wide::One"),
            (
                "use super::{self as up};\nfn two() -> up::One {}",
                "wide::One",
            ),
            (
                "fn two() { assert!(super::one::One::is_one()) }",
                "wide::one::One::is_one",
            ),
            ("impl super::One {}", "wide::One"),
            ("mod inner { use super::super::one; }", "wide::one"),
        ] {
            let faults = found_in(text);
            let expected = [format!("{in_one}wide::two::Two"), format!("{in_two}{path}")];
            assert!(
                expected.iter().all(|it| faults.contains(it)),
                "{text}: {faults:#?}"
            );
        }
        let tests = "#[cfg(test)]\nmod tests {\n use crate::wide::One;\n}\n";
        assert_eq!(found_in(tests), [""; 0]);
    }

    #[test]
    fn what_a_folder_defines_itself_is_of_its_mod_rs() {
        let faults = found(&[
            ("lib.rs", "mod wide;"),
            ("wide/mod.rs", "mod one;\nuse one::One;\npub struct Own;"),
            ("wide/one.rs", "use super::Own;\npub struct One;"),
        ]);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_module_whose_file_is_of_another_crate_is_not_looked_for() {
        let faults = found(&[
            ("lib.rs", "mod wide;"),
            (
                "wide/mod.rs",
                "mod two;\n#[path = \"../../other.rs\"]\nmod other;",
            ),
            ("wide/two.rs", "use super::other::Other;"),
        ]);
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn a_higher_layer_the_root_and_a_module_without_a_layer_are_found() {
        let faults = found(&[
            (
                "lib.rs",
                "mod low;\nmod high;\nmod new;\npub use high::High;",
            ),
            ("low.rs", "use crate::high::High;\nuse std::io;"),
            ("high.rs", "pub struct High;"),
            ("new.rs", "use crate as root;\nfn new() -> root::High {}"),
        ]);
        let through_the_root = "through the crate's root: import it from its module";
        assert_eq!(
            faults,
            [
                "src/low.rs imports src/high.rs of a higher layer: high::High".to_owned(),
                format!("src/new.rs imports \"\" {through_the_root}"),
                format!("src/new.rs imports \"High\" {through_the_root}"),
                "src/new.rs is in no layer: add it to layers.rs".to_owned(),
            ]
        );
    }
}
