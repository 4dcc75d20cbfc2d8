//! What a library or a program says of itself, read by binutils: what it needs and what it
//! gives.

use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::program::output;

/// What the loader is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dynamic {
    pub(crate) needed: Vec<String>,
    pub(crate) soname: Option<String>,
    /// Whether it is never unloaded.
    pub(crate) stays: bool,
}

pub(crate) fn dynamic(file: &Path) -> Result<Dynamic, Error> {
    let text = output(Command::new("readelf").args(["-d", "-W"]).arg(file))?;
    Ok(dynamic_of(&text))
}

fn dynamic_of(text: &str) -> Dynamic {
    let mut dynamic = Dynamic::default();
    for line in text.lines() {
        let name = || Some(line.split_once('[')?.1.strip_suffix(']')?.to_owned());
        if line.contains("(NEEDED)") {
            dynamic.needed.extend(name());
        } else if line.contains("(SONAME)") {
            dynamic.soname = name();
        } else if line.contains("(FLAGS_1)") {
            dynamic.stays = line.contains("NODELETE");
        }
    }
    dynamic
}

/// The names that a shared library (`-D`) or an archive (`-g`) gives to others, in order.
fn names(kind: &str, file: &Path) -> Result<Vec<String>, Error> {
    let text = output(Command::new("nm").args([kind, "--defined-only"]).arg(file))?;
    let names = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

pub(crate) fn exported(shared: &Path) -> Result<Vec<String>, Error> {
    names("-D", shared)
}

pub(crate) fn global(archive: &Path) -> Result<Vec<String>, Error> {
    names("-g", archive)
}

/// Whether there is a section of that name.
pub(crate) fn has_section(file: &Path, name: &str) -> Result<bool, Error> {
    let text = output(Command::new("readelf").args(["-S", "-W"]).arg(file))?;
    Ok(text.split_whitespace().any(|word| word == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loader_is_told_is_read() {
        let text = "\
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000e (SONAME)             Library soname: [libimtag.so.0.1]
 0x000000006ffffffb (FLAGS_1)            Flags: NOW NODELETE
";
        let dynamic = dynamic_of(text);
        assert_eq!(dynamic.needed, ["libgcc_s.so.1", "libc.so.6"]);
        assert_eq!(dynamic.soname.as_deref(), Some("libimtag.so.0.1"));
        assert!(dynamic.stays);
        assert_eq!(dynamic_of(""), Dynamic::default());
    }
}
