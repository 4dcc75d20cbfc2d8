//! `cargo xtask install`: the libraries, their headers, and what pkg-config and CMake need to find them, into a folder.

pub(crate) mod archive;
pub(crate) mod build;
pub(crate) mod elf;
pub(crate) mod tree;
pub(crate) mod write_atomic;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::program::output;
use build::Libraries;
use tree::Tree;

const HELP: &str = "\
Usage: cargo xtask install --prefix DIR [--destdir DIR] [--libdir DIR] [--includedir DIR] [--profile NAME]

  --prefix DIR      where the library will be used, such as /usr/local
  --destdir DIR     put before the prefix where files are written: for packagers
  --libdir DIR      inside the prefix; lib if not given
  --includedir DIR  inside the prefix; include if not given
  --profile NAME    dist (if not given), release or dev: how well it is optimised, and how long that takes
";

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let Some((tree, profile)) = options(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    write_atomic::can_write(&tree.written_to().join(&tree.libdir)).map_err(elsewhere)?; // the build takes a minute
    let libraries = build::libraries(&profile)?;
    for (path, had_to_be_written) in write(&tree, &libraries)? {
        let what = if had_to_be_written { "wrote" } else { "fresh" };
        println!("{what} {}", path.display());
    }
    println!("{}", sizes(&libraries)?);
    if tree.destdir.is_none() {
        let lib = tree.prefix.join(&tree.libdir);
        let (soname, lib) = (tree::soname(), lib.display());
        println!(
            "programs find {soname} after `ldconfig`, where it looks into {lib}; else link them with"
        );
        println!("-Wl,-rpath,{lib}, or run them with LD_LIBRARY_PATH={lib}");
    }
    Ok(())
}

/// The libraries and headers of the working copy, quickly built and installed for tests of the languages: the prefix.
pub(crate) fn tree_for_tests() -> Result<PathBuf, Error> {
    in_target(&build::for_tests()?.libraries()?, "prefix")
}

/// The same in an optimised profile: for benchmarks.
pub(crate) fn optimised_tree(profile: &str) -> Result<PathBuf, Error> {
    in_target(&build::libraries(profile)?, &format!("prefix-{profile}"))
}

fn in_target(libraries: &Libraries, name: &str) -> Result<PathBuf, Error> {
    let prefix = libraries.target.join(name);
    write(&Tree::new(&prefix), libraries)?;
    Ok(prefix)
}

/// Writes the tree. All its paths in order, and whether each had to be written.
pub(crate) fn write(tree: &Tree, libraries: &Libraries) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut paths = Vec::new();
    for (path, content) in tree.files(libraries)? {
        let had_to_be_written = write_atomic::write_atomic(&path, &content).map_err(elsewhere)?;
        paths.push((path, had_to_be_written));
    }
    Ok(paths)
}

/// What to do where a file cannot be written.
fn elsewhere(why: String) -> String {
    format!("{why}; choose another --prefix, or run this with the right to write there")
}

/// What pkg-config prints for a package of a tree: the flags for a compiler.
pub(crate) fn pkg_config_flags(package: &str, prefix: &Path) -> Result<Vec<String>, Error> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let text = output(command.args(["--cflags", "--libs", package]))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// `libimtag.so: 2.50 MB, libimtag.a: 4.89 MB`
pub(crate) fn sizes(libraries: &Libraries) -> Result<String, Error> {
    let size = |file: &Path| -> Result<f64, Error> { Ok(fs::metadata(file)?.len() as f64 / 1e6) };
    let (shared, archive) = (size(&libraries.shared)?, size(&libraries.archive)?);
    Ok(format!(
        "libimtag.so: {shared:.2} MB, libimtag.a: {archive:.2} MB"
    ))
}

/// Where to, and the profile. `None` where help was asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<(Tree, String)>, Error> {
    use lexopt::prelude::*;
    let mut prefix = None;
    let mut profile = "dist".to_owned();
    let (mut destdir, mut libdir, mut includedir) = (None, None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("prefix") => prefix = Some(std::path::absolute(arguments.value()?)?),
            Long("destdir") => destdir = Some(std::path::absolute(arguments.value()?)?),
            Long("libdir") => libdir = Some(arguments.value()?.into()),
            Long("includedir") => includedir = Some(arguments.value()?.into()),
            Long("profile") => profile = arguments.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
        }
    }
    if !["dist", "release", "dev"].contains(&profile.as_str()) {
        return Err(format!("there is no profile {profile:?}: dist, release or dev").into());
    }
    let prefix: PathBuf = prefix.ok_or_else(|| format!("where to? say --prefix DIR\n\n{HELP}"))?;
    let inside = |folder: Option<PathBuf>, usual: &str| {
        tree::from_prefix(folder.unwrap_or_else(|| usual.into()), &prefix)
    };
    let (libdir, includedir) = (inside(libdir, "lib")?, inside(includedir, "include")?);
    let tree = Tree {
        destdir,
        libdir,
        includedir,
        ..Tree::new(&prefix)
    };
    Ok(Some((tree, profile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<(Tree, String)>, Error> {
        options(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let (tree, profile) = parse(&["--prefix", "/usr/local"]).unwrap().unwrap();
        assert_eq!(tree.written_to(), Path::new("/usr/local"));
        let folders = (tree.libdir, tree.includedir);
        assert_eq!(folders, ("lib".into(), "include".into()));
        assert_eq!(profile, "dist");
    }

    #[test]
    fn a_folder_may_be_given_before_the_prefix_that_it_lies_in() {
        let arguments = ["--libdir", "/opt/x/lib64", "--prefix", "/opt/x"];
        let (tree, _) = parse(&arguments).unwrap().unwrap();
        assert_eq!(tree.libdir, Path::new("lib64"));
    }

    #[test]
    fn what_is_missing_or_is_not_there_to_be_given_is_named() {
        for (arguments, expected) in [
            (
                ["--profile", "dev"].as_slice(),
                "where to? say --prefix DIR",
            ),
            (
                &["--profile", "fast"],
                "there is no profile \"fast\": dist, release or dev",
            ),
            (&["--fast"], "invalid option '--fast'"),
        ] {
            let error = parse(arguments).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
