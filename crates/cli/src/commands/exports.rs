//! What a server prints for those who use it: lines to copy into a shell, and the paths in them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::CommandError;

/// The variables that have a value, each as a line for a shell.
pub(super) fn write_exports<'a>(
    out: &mut dyn Write,
    variables: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> io::Result<()> {
    for (variable, value) in variables {
        if let Some(value) = value {
            writeln!(out, "  export {variable}={}", quoted(&value))?;
        }
    }
    Ok(())
}

/// An absolute path, as the other terminal may be in another folder.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    let cannot = CommandError::machine(format!("cannot look up {}", path.display()));
    fs::canonicalize(path).map_err(cannot)
}

/// Quotes a value for a shell, where it needs that.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:.-_".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("https://127.0.0.1:8443"), "https://127.0.0.1:8443");
        assert_eq!(quoted("the admin's"), "'the admin'\\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
    }
}
