//! libimtag.a with nothing global but what libimtag.so exports. rustc's archive has all of Rust's standard library in
//! it, global; two such archives in one program would clash. So what these reach becomes one object, whose other
//! symbols are local: `ld -r` joins and drops what is not reached, and dissolves the groups that would be merged with
//! those of another archive by name (`DW.ref.rust_eh_personality`); `objcopy` hides; `ar` packs. Rust's bitcode goes,
//! as binutils' own plugin may fail to read it, and so do debug symbols.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imtag_checks::elf;

use crate::Error;
use crate::program::output;

/// Makes, in `folder`, what can be installed of the archive that rustc built.
pub(super) fn hidden(built: &Path, shared: &Path, folder: &Path) -> Result<PathBuf, Error> {
    fs::create_dir_all(folder)?;
    let work = tempfile::tempdir_in(folder)?; // others may do the same at the same time
    let [joined, hidden, packed] =
        ["joined.o", "imtag.o", "libimtag.a"].map(|name| work.path().join(name));
    let roots = elf::exported(shared)?;
    let mut ld = Command::new("ld");
    ld.args(["-r", "--gc-sections", "--force-group-allocation"]);
    ld.args(roots.iter().map(|root| format!("--undefined={root}")));
    run(ld.arg("-o").arg(&joined).arg(built))?;
    let mut objcopy = Command::new("objcopy");
    let kept = |name| format!("--keep-global-symbol={name}");
    objcopy.args(roots.iter().map(kept));
    objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    run(objcopy.arg("--strip-unneeded").arg(joined).arg(&hidden))?;
    // `D`: the same bytes at any time and on any machine
    run(Command::new("ar").arg("rcsD").arg(&packed).arg(hidden))?;
    let archive = folder.join("libimtag.a");
    fs::rename(packed, &archive)?;
    Ok(archive)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let done = output(command).map(|_| ());
    done.map_err(|why| format!("cannot make libimtag.a (binutils is needed): {why}").into())
}
