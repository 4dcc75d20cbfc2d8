//! `cargo xtask install`: the libraries, their headers, and what pkg-config and CMake need to find them, into a folder.

mod archive;
pub(crate) mod build;
pub(crate) mod tree;
pub(crate) mod write_atomic;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use imtag_checks::elf;

use crate::Error;
use build::Libraries;
use tree::Tree;

const HELP: &str = "\
Usage: cargo xtask install --prefix DIR [OPTIONS]

  --prefix DIR      where the library will be used, such as /usr/local
  --destdir DIR     put before the prefix where files are written: for packagers
  --libdir DIR      inside the prefix; lib if not given
  --includedir DIR  inside the prefix; include if not given
  --profile NAME    dist (if not given), release or dev: how well it is optimised, and how long that takes
  --built DIR       build nothing, and take the two libraries that cargo has put there
";

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let Some((tree, profile, built)) = options(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    write_atomic::can_write(&tree.written_to().join(&tree.libdir)).map_err(elsewhere)?; // the build takes a minute
    let libraries = match built {
        Some(folder) => Libraries::new(folder.join("libimtag.so"))?,
        None => build::libraries(&profile)?,
    };
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

/// The libraries and headers of the working copy in an optimised profile, installed for benchmarks: the prefix.
pub(crate) fn optimised_tree(profile: &str) -> Result<PathBuf, Error> {
    let libraries = build::libraries(profile)?;
    let prefix = libraries.target.join(format!("prefix-{profile}"));
    write(&Tree::new(&prefix), &libraries)?;
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

/// `libimtag.so: 2.50 MB, libimtag.a: 4.89 MB`
pub(crate) fn sizes(libraries: &Libraries) -> Result<String, Error> {
    let size = |file: &Path| -> Result<f64, Error> { Ok(fs::metadata(file)?.len() as f64 / 1e6) };
    let (shared, archive) = (size(&libraries.shared)?, size(&libraries.archive)?);
    Ok(format!(
        "libimtag.so: {shared:.2} MB, libimtag.a: {archive:.2} MB"
    ))
}

/// Where to, the profile, and where the libraries are that are built already.
type Options = (Tree, String, Option<PathBuf>);

/// `None` where help was asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>, Error> {
    use lexopt::prelude::*;
    let mut prefix = None;
    let mut profile = "dist".to_owned();
    let (mut destdir, mut libdir, mut includedir, mut built) = (None, None, None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("prefix") => prefix = Some(std::path::absolute(arguments.value()?)?),
            Long("destdir") => destdir = Some(std::path::absolute(arguments.value()?)?),
            Long("libdir") => libdir = Some(arguments.value()?.into()),
            Long("includedir") => includedir = Some(arguments.value()?.into()),
            Long("profile") => profile = arguments.value()?.parse()?,
            Long("built") => built = Some(std::path::absolute(arguments.value()?)?),
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
    Ok(Some((tree, profile, built)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Options>, Error> {
        options(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let (tree, profile, _) = parse(&["--prefix", "/usr/local"]).unwrap().unwrap();
        assert_eq!(tree.written_to(), Path::new("/usr/local"));
        let folders = (tree.libdir, tree.includedir);
        assert_eq!(folders, ("lib".into(), "include".into()));
        assert_eq!(profile, "dist");
    }

    #[test]
    fn a_folder_may_be_given_before_the_prefix_that_it_lies_in() {
        let arguments = ["--libdir", "/opt/x/lib64", "--prefix", "/opt/x"];
        let (tree, ..) = parse(&arguments).unwrap().unwrap();
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
