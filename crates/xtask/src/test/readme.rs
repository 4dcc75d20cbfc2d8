//! The README's examples in other languages, run as a reader would: the commands and the code as printed, in a folder
//! elsewhere, against an emulator. Each must tag the user that it says.
//!
//! The form: a heading of its own (`HEADING`) with commands, then a `###` section a language with the name of the file
//! in backquotes, its code in a fence, and the commands, indented. What a program brings in, blank lines and a lone brace
//! aside, a code has at most ten lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imtag_core::SecretKey;
use imtag_emulator::Emulator;

use super::go;
use super::python::Venv;
use super::summary::Outcome;
use crate::Error;
use crate::cargo::{clean, root};

const HEADING: &str = "## From C, C++, Python and Go";

const LINES_AT_MOST: usize = 10;

/// The emulator's key.
const KEY: &str = "of-no-app";

/// What every example adds.
const ACCOUNT: &str = "xiaojun012";
const TAGS: [&str; 2] = ["beijing", "vip"];
const SAYS: &str = "1 user tagged";

/// A language's section.
#[derive(Debug, Default, PartialEq, Eq)]
struct Example {
    language: String,
    file: String,
    code: String,
    commands: Vec<String>,
}

/// What all sections begin with, and the sections.
#[derive(Debug, Default, PartialEq, Eq)]
struct Examples {
    commands: Vec<String>,
    each: Vec<Example>,
}

pub(super) fn examples() -> Outcome {
    let readme = match fs::read_to_string(root().join("README.md")) {
        Ok(readme) => readme,
        Err(error) => return Outcome::Failed(format!("README.md: {error}")),
    };
    let examples = Examples::parse(&readme);
    let faults: Vec<String> = match examples.each.len() {
        0 => vec![format!("README.md has no examples under {HEADING:?}")],
        _ => (examples.each.iter())
            .filter_map(|example| {
                let failed = example.run(&examples.commands).err()?;
                Some(format!("{}: {failed}", example.language))
            })
            .collect(),
    };
    if faults.is_empty() {
        Outcome::Ok
    } else {
        Outcome::Failed(faults.join("; "))
    }
}

impl Examples {
    fn parse(readme: &str) -> Examples {
        let mut examples = Examples::default();
        let mut in_fence = false;
        let lines = readme.lines().skip_while(|line| *line != HEADING).skip(1);
        for line in lines {
            if !in_fence && line.starts_with("## ") {
                break;
            }
            if let Some(language) = line.strip_prefix("### ") {
                examples.each.push(Example {
                    language: language.to_owned(),
                    ..Example::default()
                });
                continue;
            }
            let Some(example) = examples.each.last_mut() else {
                examples.commands.extend(command(line));
                continue;
            };
            if line.starts_with("```") {
                in_fence = !in_fence;
            } else if in_fence {
                example.code += line;
                example.code.push('\n');
            } else if let Some(command) = command(line) {
                example.commands.push(command);
            } else if example.file.is_empty() {
                example.file = line.split('`').nth(1).unwrap_or_default().to_owned();
            }
        }
        examples
    }
}

/// A line that is to be typed.
fn command(line: &str) -> Option<String> {
    line.strip_prefix("    ").map(str::to_owned)
}

impl Example {
    fn run(&self, before: &[String]) -> Result<(), Error> {
        let lines = self.code.lines().filter(|line| counts(line)).count();
        if lines > LINES_AT_MOST {
            return Err(format!("{lines} lines of code, at most {LINES_AT_MOST}").into());
        }
        let emulator = Emulator::builder().secret_key(SecretKey::new(KEY)?);
        let emulator = emulator.start()?;
        let elsewhere = Elsewhere::new()?;
        let folder = elsewhere.0.join("project");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&self.file), &self.code)?;
        let key = elsewhere.0.join("secret-key");
        fs::write(&key, KEY)?;
        let script = [
            before.join("\n"),
            format!("cd '{}'", folder.display()),
            self.commands.join("\n"),
        ];
        let prefix = elsewhere.0.join("prefix");
        let wheels = elsewhere.0.join("wheels");
        fs::create_dir_all(&wheels)?;
        if self
            .commands
            .iter()
            .any(|command| command.starts_with("pip "))
        {
            Venv::ready()?.download_build_tools(&wheels)?;
        }
        let mut shell = Command::new("sh");
        clean(&mut shell);
        let output = shell
            .args(["-eu", "-c", &script.join("\n")])
            .env("PREFIX", &prefix)
            .env("CGO_CFLAGS", go::c_flags(&prefix))
            .envs(go::FETCHES_NOTHING)
            // pip builds in an environment that it fills: from the lock, and nothing else
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", file_url(&wheels))
            .env("IMTAG_ENDPOINT", emulator.endpoint())
            .env("IMTAG_SECRET_KEY_FILE", key)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let tags: BTreeSet<String> = TAGS.map(str::to_owned).into();
        if output.status.success() && said.contains(SAYS) && emulator.user(ACCOUNT) == tags {
            println!("{}: {SAYS}", self.language);
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}\n{said}{complaint}", output.status).into())
    }
}

/// A folder as pip takes it, whose list of folders is parted by blanks.
fn file_url(folder: &Path) -> String {
    let path = folder.display().to_string();
    format!("file://{}", path.replace('%', "%25").replace(' ', "%20"))
}

/// Whether a line is one of the ten.
fn counts(line: &str) -> bool {
    let line = line.trim();
    let brings_in = ["#include", "import ", "package "]
        .iter()
        .any(|word| line.starts_with(word));
    !line.is_empty() && line != "}" && !brings_in
}

/// A folder that is no part of the repository, gone when this is dropped.
pub(super) struct Elsewhere(pub(super) PathBuf);

impl Elsewhere {
    pub(super) fn new() -> Result<Elsewhere, Error> {
        let folder = std::env::temp_dir().join(format!("imtag-readme-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Elsewhere(folder))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // what is left behind is in the system's folder for such things
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_its_file_its_code_and_its_commands() {
        let readme = "\
# x\n\n    no\n\n## From C, C++, Python and Go\n\nAs `a`:\n\n    export A=1\n\n### C\n\nAs `tag.c`:\n\n```c\n#include <x>\n## 1\n```\n
    cc tag.c\n    ./tag\n\n### Go\n\n`tag.go`\n\n## Next\n\n    no\n";
        let example = Example {
            language: "C".to_owned(),
            file: "tag.c".to_owned(),
            code: "#include <x>\n## 1\n".to_owned(),
            commands: ["cc tag.c", "./tag"].map(str::to_owned).into(),
        };
        let examples = Examples::parse(readme);
        assert_eq!(examples.commands, ["export A=1"]);
        assert_eq!(examples.each.len(), 2);
        assert_eq!(examples.each[0], example);
        assert_eq!(examples.each[1].file, "tag.go");
    }

    #[test]
    fn what_a_program_brings_in_is_not_one_of_its_lines() {
        for line in [
            "#include <imtag.h>",
            "import imtag",
            "package main",
            "",
            "  ",
        ] {
            assert!(!counts(line), "{line}");
        }
        assert!(counts("int main(void) {"));
    }
}
