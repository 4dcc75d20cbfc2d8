//! Where the files of an installation lie and what they say. Only here both are known, so the tree on a machine, the
//! one of the language tests and the one that is shipped are the same.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::build::Libraries;
use super::write_atomic::Content;
use crate::Error;
use crate::cargo::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// From the folder of the libraries.
const TEXTS: [(&str, &str); 4] = [
    ("pkgconfig/imtag.pc", include_str!("templates/imtag.pc")),
    (
        "pkgconfig/imtag-static.pc",
        include_str!("templates/imtag-static.pc"),
    ),
    (
        "cmake/imtag/imtagConfig.cmake",
        include_str!("templates/imtagConfig.cmake"),
    ),
    (
        "cmake/imtag/imtagConfigVersion.cmake",
        include_str!("templates/imtagConfigVersion.cmake"),
    ),
];

/// An installation: its folders.
#[derive(Clone)]
pub(crate) struct Tree {
    /// Where the files will be used: an absolute path.
    pub(crate) prefix: PathBuf,
    /// Put before the prefix where files are written, as packagers want it.
    pub(crate) destdir: Option<PathBuf>,
    /// From the prefix.
    pub(crate) libdir: PathBuf,
    /// From the prefix.
    pub(crate) includedir: PathBuf,
    /// True if the .pc files find the prefix by where they lie, and not by its path.
    pub(crate) relocatable: bool,
}

impl Tree {
    /// A tree with the usual folders.
    pub(crate) fn new(prefix: &Path) -> Tree {
        Tree {
            prefix: prefix.to_owned(),
            destdir: None,
            libdir: "lib".into(),
            includedir: "include".into(),
            relocatable: false,
        }
    }

    /// Where the tree is written.
    pub(crate) fn written_to(&self) -> PathBuf {
        match &self.destdir {
            Some(destdir) => destdir.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)),
            None => self.prefix.clone(),
        }
    }

    /// Every file, with what is in it.
    pub(crate) fn files(&self, libraries: &Libraries) -> Result<Vec<(PathBuf, Content)>, Error> {
        let to = self.written_to();
        let (lib, include) = (to.join(&self.libdir), to.join(&self.includedir));
        let mut files = Vec::new();
        for (name, source) in headers()? {
            files.push((include.join(name), Content::file(&source)));
        }
        files.extend([
            (lib.join(file_name()), Content::program(&libraries.shared)),
            (lib.join(soname()), Content::Link(file_name())),
            (lib.join("libimtag.so"), Content::Link(soname())),
            (lib.join("libimtag.a"), Content::file(&libraries.archive)),
        ]);
        for (path, template) in TEXTS {
            let text = self.filled(template, &libraries.system);
            files.push((lib.join(path), Content::Text(text)));
        }
        Ok(files)
    }

    /// A template with its `@NAMES@` filled in.
    fn filled(&self, template: &str, system: &[String]) -> String {
        let up = |depth: usize| vec![".."; depth].join("/");
        let depth = self.libdir.components().count();
        let is_of_cmake = template.contains("CMAKE");
        let prefix = if self.relocatable {
            format!("${{pcfiledir}}/{}", up(depth + 1))
        } else {
            self.prefix.display().to_string()
        };
        let (before, system) = if is_of_cmake {
            ("", system.join(";"))
        } else {
            ("${prefix}/", format!("-l{}", system.join(" -l")))
        };
        let folder = |path: &Path| format!("{before}{}", path.display());
        template
            .replace("@PREFIX@", &prefix)
            .replace("@LIBDIR@", &folder(&self.libdir))
            .replace("@INCLUDEDIR@", &folder(&self.includedir))
            .replace("@UP@", &up(depth + 2))
            .replace("@SYSTEM@", &system)
            .replace("@FILE@", &file_name())
            .replace("@SONAME@", &soname())
            .replace("@VERSION@", VERSION)
            .replace("@INTERFACE@", &interface(VERSION))
            .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
            .replace("@POINTER@", &size_of::<usize>().to_string())
    }
}

/// The headers of C and C++, by the path under which a program includes them.
fn headers() -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let cpp = root().join("bindings/cpp");
    let mut headers: Vec<(PathBuf, PathBuf)> = vec![
        ("imtag.h".into(), root().join("include/imtag.h")),
        ("imtag.hpp".into(), cpp.join("imtag.hpp")),
    ];
    for part in fs::read_dir(cpp.join("imtag"))? {
        let part = part?;
        let name = Path::new("imtag").join(part.file_name());
        if name.extension() == Some("hpp".as_ref()) {
            headers.push((name, part.path()));
        }
    }
    headers.sort();
    Ok(headers)
}

/// A folder as an option gives it, from the prefix: one that lies elsewhere could not move with it.
pub(super) fn from_prefix(folder: PathBuf, prefix: &Path) -> Result<PathBuf, Error> {
    let inner = folder.strip_prefix(prefix).unwrap_or(&folder);
    let is_below = |part: Component| matches!(part, Component::Normal(_));
    if inner.components().next().is_some() && inner.components().all(is_below) {
        return Ok(inner.to_owned());
    }
    let (folder, prefix) = (folder.display(), prefix.display());
    Err(format!("{folder} is not a folder inside the prefix, {prefix}").into())
}

/// The part of a version that programs depend on: `0.MINOR` below 1.0, then `MAJOR`.
fn interface(version: &str) -> String {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let parts: Vec<&str> = version.split('.').take(parts).collect();
    parts.join(".")
}

/// What programs that were linked look for; crates/ffi/build.rs writes it into the library.
pub(crate) fn soname() -> String {
    format!("libimtag.so.{}", interface(VERSION))
}

/// The name of the shared library's file.
pub(crate) fn file_name() -> String {
    format!("libimtag.so.{VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_1_0_each_minor_version_is_an_interface() {
        for (version, expected) in [("0.1.0", "0.1"), ("0.12.3", "0.12"), ("1.2.3", "1")] {
            assert_eq!(interface(version), expected);
        }
    }

    #[test]
    fn every_name_in_a_template_is_filled_in_and_the_static_pc_file_names_the_archive() {
        let system = ["gcc_s", "m"].map(str::to_owned);
        let filled = TEXTS.map(|(_, text)| Tree::new(Path::new("/opt/x")).filled(text, &system));
        assert!(filled.iter().all(|text| !text.contains('@')), "{filled:?}");
        let [_, pc, _, _] = filled;
        assert!(pc.contains("\nprefix=/opt/x\nlibdir=${prefix}/lib\n"));
        assert!(pc.contains("\nLibs: \"${libdir}/libimtag.a\" -lgcc_s -lm\n"));
    }

    #[test]
    fn a_relocatable_pc_file_finds_the_prefix_from_its_own_folder() {
        let tree = Tree {
            relocatable: true,
            libdir: "lib/x86_64-linux-gnu".into(),
            ..Tree::new(Path::new("/opt/x"))
        };
        let text = tree.filled("prefix=@PREFIX@", &[]);
        assert_eq!(text, "prefix=${pcfiledir}/../../..");
    }

    #[test]
    fn with_a_destdir_files_go_there_and_the_pc_files_name_the_prefix() {
        let tree = Tree {
            destdir: Some("/tmp/package".into()),
            ..Tree::new(Path::new("/usr"))
        };
        assert_eq!(tree.written_to(), Path::new("/tmp/package/usr"));
        assert_eq!(tree.filled("@PREFIX@", &[]), "/usr");
    }

    #[test]
    fn a_folder_outside_the_prefix_is_refused() {
        let relative = |folder: &str| from_prefix(folder.into(), Path::new("/usr"));
        assert_eq!(relative("lib64").unwrap(), Path::new("lib64"));
        assert_eq!(relative("/usr/lib/a").unwrap(), Path::new("lib/a"));
        for outside in ["/opt/lib", "../lib", "", "/usr"] {
            let error = relative(outside).unwrap_err().to_string();
            assert!(error.ends_with("is not a folder inside the prefix, /usr"));
        }
    }
}
