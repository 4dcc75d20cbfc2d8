//! Which file imports which inside the libraries, read from their sources: no file imports one that imports it, not
//! even by way of others; no file imports from a layer above its own; and none imports through the crate's root. What a
//! module only re-exports counts as of the file that defines it. Tests may import as they like.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, Path, UseTree};

use super::{File, assert_none, files};

/// The layers of a crate, low to high, and the modules of each. A module that is not listed is in the layer of the one
/// that holds it.
type Layers = [&'static [&'static str]];

const CORE: &Layers = &[
    &["operation", "region", "secret", "seen", "text"],
    &["catalogue", "limits"],
    &["app", "violation"],
    &["change", "request", "usersig"],
    &["answer"],
    &["plan", "quota", "retry"],
];

const TRANSPORT: &Layers = &[
    &["endpoint", "outcome", "process", "redact", "wait"],
    &["error"],
    &["credentials", "http", "outage", "rate_limiter"],
    &["pipeline"],
    &["state"],
    &["call"],
    &[
        "pipeline::batcher",
        "pipeline::bulk",
        "pipeline::request",
        "pipeline::session",
        "pipeline::worker",
    ],
    &["pipeline::options"],
    &["client"],
    &["builder"],
];

#[test]
fn no_file_of_core_imports_one_that_imports_it_or_one_of_a_higher_layer() {
    assert_none(faults(files(), "crates/core/src", CORE));
}

#[test]
fn no_file_of_transport_imports_one_that_imports_it_or_one_of_a_higher_layer() {
    assert_none(faults(files(), "crates/transport/src", TRANSPORT));
}

/// The files of a crate, by their modules: `wait::lock`; the root is empty.
type Sources = BTreeMap<String, Source>;

/// Which file imports which, and a path by which it does.
type Imports<'s> = BTreeMap<(&'s str, &'s str), &'s str>;

/// What a file says of others of its crate. All paths are from the crate's root.
#[derive(Default)]
struct Source {
    file: String,
    module: String,
    /// The modules that it declares, except those of tests.
    children: Vec<String>,
    named: Vec<String>,
    /// What it imports, by the name that it has there.
    imported: BTreeMap<String, String>,
}

fn faults(files: &[File], folder: &str, layers: &Layers) -> Vec<String> {
    let sources = read(files, folder);
    let mut imports = Imports::new();
    let mut faults = Vec::new();
    for source in sources.values() {
        let file = &source.file;
        for path in &source.named {
            let definer = definer(&sources, path);
            if innermost(&sources, path).module.is_empty() {
                faults.push(format!(
                    "{file} imports {path} through the crate's root: import it from its module"
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
            faults.push(format!("{file} is in no layer: add it to {}", file!()));
        }
    }
    faults.extend(circles(&imports));
    faults
}

/// The layer of a module; none of the root.
fn layer(layers: &Layers, module: &str) -> Option<usize> {
    let listed = layers.iter().position(|layer| layer.contains(&module));
    listed.or_else(|| layer(layers, module.rsplit_once("::")?.0))
}

/// The module whose file a path leads to.
fn innermost<'s>(sources: &'s Sources, path: &str) -> &'s Source {
    let above = || path.rsplit_once("::").map_or("", |(above, _)| above);
    let source = sources.get(path);
    source.unwrap_or_else(|| innermost(sources, above()))
}

/// The module that defines what a path names; that of a module is itself.
fn definer<'s>(sources: &'s Sources, path: &str) -> &'s Source {
    let source = innermost(sources, path);
    let rest = path[source.module.len()..].trim_start_matches("::");
    let imported = rest
        .split("::")
        .next()
        .and_then(|it| source.imported.get(it));
    imported.map_or(source, |path| definer(sources, path))
}

/// The circles, each the shortest through one of its files.
fn circles(imports: &Imports) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut faults = Vec::new();
    for start in imports.keys().map(|(from, _)| *from) {
        let Some(circle) = circle(imports, start).filter(|_| !known.contains(start)) else {
            continue;
        };
        let steps = circle.windows(2).map(|step| {
            let [from, to] = [step[0], step[1]];
            format!("\n    {from} imports {to}: {}", imports[&(from, to)])
        });
        faults.push(format!("a circle:{}", steps.collect::<String>()));
        known.extend(circle);
    }
    faults
}

/// The shortest way from a file back to it.
fn circle<'s>(imports: &Imports<'s>, start: &'s str) -> Option<Vec<&'s str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let here = way.last()?;
        for (_, next) in imports.keys().filter(|(from, _)| from == here) {
            let longer = [way.as_slice(), &[*next]].concat();
            if *next == start {
                return Some(longer);
            }
            if seen.insert(*next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

fn read(files: &[File], folder: &str) -> Sources {
    let mut sources = Sources::new();
    let mut modules = vec![String::new()];
    while let Some(module) = modules.pop() {
        let path = format!("{folder}/{}", module.replace("::", "/"));
        let names = [
            format!("{path}lib.rs"),
            format!("{path}.rs"),
            format!("{path}/mod.rs"),
        ];
        let file = files.iter().find(|file| names.contains(&file.name));
        let file = file.unwrap_or_else(|| panic!("there is no file of {module}"));
        let source = Source::read(&file.name, &module, &file.text);
        modules.extend(source.children.iter().map(|child| below(&module, child)));
        sources.insert(module, source);
    }
    sources
}

fn below(module: &str, path: &str) -> String {
    if module.is_empty() {
        path.to_owned()
    } else {
        format!("{module}::{path}")
    }
}

impl Source {
    fn read(file: &str, module: &str, text: &str) -> Source {
        let (file, module) = (file.to_owned(), module.to_owned());
        let mut source = Source {
            file,
            module,
            ..Source::default()
        };
        source.visit_file(&syn::parse_file(text).unwrap());
        source
    }

    /// The path from the crate's root; `None` of what is not of this crate, or is here by an import.
    fn absolute(&self, path: &str) -> Option<String> {
        if let Some(path) = path.strip_prefix("crate::") {
            return Some(path.to_owned());
        }
        let mut module = self.module.as_str();
        let mut rest = path.trim_start_matches("self::");
        while let Some(path) = rest.strip_prefix("super::") {
            module = module.rsplit_once("::").map_or("", |(above, _)| above);
            rest = path;
        }
        let is_here = |it: &String| Some(it.as_str()) == path.split("::").next();
        let is_of_crate = rest != path || self.children.iter().any(is_here);
        is_of_crate.then(|| below(module, rest))
    }

    fn import(&mut self, above: &str, tree: &UseTree) {
        let (name, known_as) = match tree {
            UseTree::Path(path) => {
                self.import(&format!("{above}{}::", path.ident), &path.tree);
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(above, tree));
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => ("*".to_owned(), "*".to_owned()),
        };
        if let Some(path) = self.absolute(&format!("{above}{name}")) {
            self.named.push(path.clone());
            self.imported.insert(known_as, path);
        }
    }
}

impl Visit<'_> for Source {
    fn visit_item(&mut self, item: &Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_of_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        if item.content.is_none() {
            self.children.push(item.ident.to_string());
            return;
        }
        let module = below(&self.module, &item.ident.to_string());
        let module = std::mem::replace(&mut self.module, module);
        visit::visit_item_mod(self, item);
        self.module = module;
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.import("", &item.tree);
    }

    fn visit_path(&mut self, path: &Path) {
        let segments = path.segments.iter().map(|it| it.ident.to_string());
        let path_here = segments.collect::<Vec<_>>().join("::");
        self.named.extend(self.absolute(&path_here));
        visit::visit_path(self, path);
    }

    /// What is given to a macro is words, of which those with `::` are paths.
    fn visit_macro(&mut self, item: &Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
        for path in words.filter(|word| word.contains("::")) {
            self.named.extend(self.absolute(path));
        }
        visit::visit_macro(self, item);
    }
}

/// True of `#[cfg(test)]`.
fn is_of_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
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
        faults(&files, "src", &[&["low", "wide"], &["high"]])
    }

    #[test]
    fn a_circle_is_named_with_its_files_however_it_is_written() {
        let lib = ("lib.rs", "mod wide;");
        let folder = ("wide/mod.rs", "mod one;\nmod two;\npub use one::One;");
        let one = ("wide/one.rs", "use super::two::Two;\npub struct One;");
        let circle = "a circle:
    src/wide/one.rs imports src/wide/two.rs: wide::two::Two
    src/wide/two.rs imports src/wide/one.rs: ";
        for (text, path) in [
            ("use super::One;", "wide::One"),
            ("use crate::wide::{One as Uno};", "wide::One"),
            (
                "fn two() { assert!(super::one::One::is_one()) }",
                "wide::one::One::is_one",
            ),
            ("impl super::One {}", "wide::One"),
            ("mod inner { use super::super::one; }", "wide::one"),
        ] {
            let two = ("wide/two.rs", text);
            let faults = found(&[lib, folder, one, two]);
            assert_eq!(faults, [format!("{circle}{path}")], "{text}");
        }
        let tests = "#[cfg(test)]\nmod tests {\n use crate::wide::One;\n}\n";
        let none = found(&[lib, folder, one, ("wide/two.rs", tests)]);
        assert_eq!(none, Vec::<String>::new());
    }

    #[test]
    fn what_a_folder_defines_itself_is_of_its_mod_rs() {
        let faults = found(&[
            ("lib.rs", "mod wide;"),
            ("wide/mod.rs", "mod one;\nuse one::One;\npub struct Own;"),
            ("wide/one.rs", "use super::Own;\npub struct One;"),
        ]);
        let circle = "a circle:
    src/wide/mod.rs imports src/wide/one.rs: wide::one::One
    src/wide/one.rs imports src/wide/mod.rs: wide::Own";
        assert_eq!(faults, [circle]);
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
            ("new.rs", "fn new() -> crate::High {}"),
        ]);
        assert_eq!(
            faults,
            [
                "src/low.rs imports src/high.rs of a higher layer: high::High",
                "src/new.rs imports High through the crate's root: import it from its module",
                "src/new.rs is in no layer: add it to crates/xtask/src/consistency/imports.rs",
            ]
        );
    }
}
