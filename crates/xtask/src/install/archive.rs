//! libimtag.a with nothing global but `im_*`. rustc's archive has all of Rust's standard library in it, global; two
//! such archives in one program would clash. So what `im_*` reaches becomes one object, whose other symbols are local:
//! `ld -r` joins and drops what is not reached, and dissolves the groups that would be merged with those of another
//! archive by name (`DW.ref.rust_eh_personality`); `objcopy` hides; `ar` packs. Rust's bitcode goes, as binutils' own
//! plugin may fail to read it, and so do debug symbols.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::Error;

/// Makes, in `folder`, what can be installed of the archive that rustc built, if it is not there already.
pub(super) fn hidden(built: &Path, shared: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let archive = folder.join("libimtag.a");
    let made_by = std::env::current_exe()?; // another version of this code may make another archive
    if newer(&archive, &[built, &made_by]) {
        return Ok(archive);
    }
    let work = folder.join(std::process::id().to_string()); // others may do the same at the same time
    fs::create_dir_all(&work)?;
    let done =
        make(built, &exported(shared)?, &work).and_then(|packed| Ok(fs::rename(packed, &archive)?));
    fs::remove_dir_all(&work)?;
    done.map(|()| archive)
}

fn make(built: &Path, roots: &[String], work: &Path) -> Result<PathBuf, Error> {
    let [joined, hidden, packed] =
        ["joined.o", "imtag.o", "libimtag.a"].map(|name| work.join(name));
    let mut ld = Command::new("ld");
    ld.args(["-r", "--gc-sections", "--force-group-allocation"]);
    ld.args(roots.iter().map(|root| format!("--undefined={root}")));
    run(ld.arg("-o").arg(&joined).arg(built))?;
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--wildcard", "--keep-global-symbol=im_*"]);
    objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    run(objcopy.arg("--strip-unneeded").arg(joined).arg(&hidden))?;
    // `D`: the same bytes whenever and by whomever it is built
    run(Command::new("ar").arg("rcsD").arg(&packed).arg(hidden))?;
    Ok(packed)
}

/// The functions that the shared library exports: those that the archive must have.
fn exported(shared: &Path) -> Result<Vec<String>, Error> {
    let mut nm = Command::new("nm");
    let text = output(nm.args(["-D", "--defined-only"]).arg(shared))?;
    let names = text.lines().filter_map(|line| line.split(' ').next_back());
    let names: Vec<String> = names
        .filter(|name| name.starts_with("im_"))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(format!("{} exports no im_ function", shared.display()).into());
    }
    Ok(names)
}

/// Whether a file is there and younger than all that it is made of.
fn newer(file: &Path, than: &[&Path]) -> bool {
    let changed = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    changed(file).is_some_and(|made| {
        let younger = |of: &&Path| changed(of).is_some_and(|time| time < made);
        than.iter().all(younger)
    })
}

fn run(command: &mut Command) -> Result<(), Error> {
    output(command).map(|_| ())
}

/// What a program of binutils prints; its complaints become the error.
fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let of = |why: &dyn std::fmt::Display| -> Error { failed(&program, why).into() };
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| of(&format_args!("{error}; it is in binutils")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(of(&format_args!("{}: {}", output.status, complaint.trim())))
}

fn failed(program: &str, why: &dyn std::fmt::Display) -> String {
    format!("cannot make libimtag.a: {program}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_or_fails_is_named() {
        let missing = run(&mut Command::new("no-such-objcopy")).unwrap_err();
        let missing = missing.to_string();
        assert!(missing.starts_with("cannot make libimtag.a: no-such-objcopy: "));
        assert!(missing.ends_with("; it is in binutils"), "{missing}");
        let failing = run(Command::new("sh").args(["-c", "echo no room >&2; exit 3"]));
        assert_eq!(
            failing.unwrap_err().to_string(),
            "cannot make libimtag.a: sh: exit status: 3: no room"
        );
    }

    #[test]
    fn what_is_missing_is_not_new() {
        let here = Path::new(file!());
        assert!(!newer(Path::new("no such file"), &[here]));
        assert!(!newer(here, &[Path::new("no such file")]));
    }
}
