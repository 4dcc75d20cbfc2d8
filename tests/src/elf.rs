//! What a library or a program says of itself, read by binutils: what it needs, with how old a system may be, and what
//! it gives.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::program::output;

/// What the loader is told.
#[derive(Debug, Default)]
pub struct Dynamic {
    pub needed: Vec<String>,
    pub soname: Option<String>,
    /// True if it is never unloaded.
    pub stays: bool,
}

pub fn dynamic(file: &Path) -> Result<Dynamic, Error> {
    let text = output(Command::new("readelf").args(["-d", "-W"]).arg(file))?;
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
    Ok(dynamic)
}

/// The names that a shared library gives to others, in order.
pub fn exported(shared: &Path) -> Result<Vec<String>, Error> {
    let mut nm = Command::new("nm");
    let text = output(nm.args(["-D", "--defined-only"]).arg(shared))?;
    let names = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// A version of the C library: 2.17 is (2, 17).
pub type Glibc = (u32, u32);

/// The oldest glibc that has every versioned symbol that a file needs.
pub fn glibc(file: &Path) -> Result<Glibc, Error> {
    let text = output(Command::new("objdump").arg("-T").arg(file))?;
    newest(&text).ok_or_else(|| format!("{} needs no glibc", file.display()).into())
}

fn newest(text: &str) -> Option<Glibc> {
    let undefined = text.lines().filter(|line| line.contains("*UND*"));
    let versions = undefined.filter_map(|line| {
        let (_, version) = line.split_once("GLIBC_")?;
        let end = |c: char| !c.is_ascii_digit() && c != '.';
        let mut numbers = version.split(end).next()?.split('.');
        let mut number = || numbers.next()?.parse().ok();
        Some((number()?, number()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_needed_is_the_oldest_system() {
        let text = "\
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.3.4) __xpg_strerror_r
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.17) clock_gettime
0000000000000000      DF *UND*  0000000000000000  GLIBC_2.9   fcntl
0000000000000000  w   DF *UND*  0000000000000000  Base        statx
0000000000111111 g    DF .text  0000000000000000  GLIBC_2.40  im_version
";
        assert_eq!(newest(text), Some((2, 17)));
        assert_eq!(newest(""), None);
    }
}
