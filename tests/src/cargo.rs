//! Cargo, started as a person at the repository's root would start it. `cargo run`, which started this task, put
//! variables about *this* package into the environment; build scripts that watch them would run again, and whole
//! crates be built twice, so they are taken out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent();
    root.expect("this crate lies below the root").to_owned()
}

/// What of Cargo looks for dependencies, and takes those of Cargo.lock only.
const LOCKED: [&str; 9] = [
    "build", "clippy", "doc", "metadata", "package", "run", "rustc", "test", "tree",
];

/// `cargo` with a task and its `arguments`, not started yet.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(&arguments[..1]);
    command.args(LOCKED.contains(&arguments[0]).then_some("--locked"));
    command.args(&arguments[1..]);
    clean(&mut command);
    command
}

/// Makes a command start as Cargo's do: at the root, without what is about this package.
pub fn clean(command: &mut Command) {
    command.current_dir(root());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        command.env_remove(name);
    }
}

/// True if Cargo set a variable about this package.
pub fn is_of_this_package(variable: &OsStr) -> bool {
    const PREFIXES: [&str; 4] = [
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
    ];
    let name = variable.to_string_lossy();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_root_is_where_the_workspace_is() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn cargo_takes_what_is_locked() {
        let arguments = |command: Command| -> Vec<OsString> {
            command.get_args().map(OsStr::to_owned).collect()
        };
        assert_eq!(
            arguments(cargo(["test", "--doc"])),
            ["test", "--locked", "--doc"]
        );
        assert_eq!(arguments(cargo(["fmt", "--all"])), ["fmt", "--all"]);
    }

    #[test]
    fn settings_of_the_user_reach_cargo_and_variables_of_this_package_do_not() {
        for of_this_package in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_NAME"] {
            assert!(is_of_this_package(OsStr::new(of_this_package)));
        }
        for setting in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "PATH"] {
            assert!(!is_of_this_package(OsStr::new(setting)));
        }
    }
}
