//! How old a system may be: what a file needs of the C library is written in it, as a version a symbol.

use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::program::output;

/// A version of the C library: 2.17 is (2, 17).
pub(super) type Glibc = (u32, u32);

/// The oldest glibc that has every versioned symbol that a file needs.
pub(super) fn glibc(file: &Path) -> Result<Glibc, Error> {
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
