//! A page whose examples are run as a reader would run them. Its form: a heading opens a section; a fence of `sh` and
//! indented lines are commands; any other fence but `text` is the file that the nearest backquotes before it name.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::build;
use crate::cargo::{clean, root};
use crate::error::Error;
use crate::go::FETCHES_NOTHING;

/// A part of the page: what is typed at once, and its files by their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub level: usize,
    pub name: String,
    pub commands: Vec<String>,
    pub files: Vec<(String, String)>,
}

/// The sections of a page of the repository.
pub fn read(page: &str) -> Result<Vec<Section>, Error> {
    let text = fs::read_to_string(root().join(page)).map_err(|error| format!("{page}: {error}"))?;
    Ok(sections(&text))
}

fn sections(page: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let (mut section, mut fence) = (Section::default(), None);
    let (mut named, mut text, mut was_indented) = (String::new(), String::new(), false);
    for line in page.lines() {
        let command = line.strip_prefix("    ").filter(|_| fence.is_none());
        match (fence, line.strip_prefix("```"), command) {
            (None, Some(language), _) => fence = Some(language),
            (Some(language), Some(_), _) => {
                let text = std::mem::take(&mut text);
                match language {
                    "sh" => section.commands.push(text),
                    "text" => {}
                    _ => section.files.push((named.clone(), text)),
                }
                fence = None;
            }
            (Some(_), None, _) => text += &format!("{line}\n"),
            (None, None, Some(command)) => match section.commands.last_mut() {
                Some(last) if was_indented => *last += &format!("{command}\n"),
                _ => section.commands.push(format!("{command}\n")),
            },
            (None, None, None) => {
                let heading = line.trim_start_matches('#');
                if let Some(name) = heading.strip_prefix(' ').filter(|_| heading != line) {
                    let next = Section {
                        level: line.len() - heading.len(),
                        name: name.to_owned(),
                        ..Section::default()
                    };
                    sections.push(std::mem::replace(&mut section, next));
                }
                if let Some(name) = line.split('`').nth(1) {
                    name.clone_into(&mut named);
                }
            }
        }
        was_indented = command.is_some();
    }
    sections.push(section);
    sections
}

/// A shell for commands of a page, in a folder elsewhere, in which nothing is fetched that no lock names.
pub fn shell(folder: &Path, script: &str) -> Command {
    let mut shell = Command::new("sh");
    clean(&mut shell);
    let shell_in = shell.current_dir(folder).envs(FETCHES_NOTHING);
    shell_in.args(["-eu", "-c", script]);
    shell
}

/// A shell that knows the command line, and no proxy of the machine.
pub fn shell_with_imtag(folder: &Path, script: &str) -> Result<Command, Error> {
    let command_line = build::for_tests()?.file("imtag")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = command_line.parent().map(Path::to_owned);
    let paths = first.into_iter().chain(std::env::split_paths(&path));
    let mut shell = shell(folder, script);
    shell.env("PATH", std::env::join_paths(paths)?);
    for variable in ["https_proxy", "no_proxy", "all_proxy"] {
        shell.env_remove(variable);
        shell.env_remove(variable.to_uppercase());
    }
    Ok(shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_its_commands_and_its_files() {
        let page = "# T\n\n`no`\n\n    export A=1\n\n## A\n\n`a.x`:\n\n```x\n## 1\n    2\n```\n\nAs `z`.\n\n\
                    `b.x`, so:\n\n```y\n2\n```\n\n```sh\nrun\n  it\n```\n\n```text\nno\n```\n\n### B\n\n    cc b\n    ./b\n\n    d\n";
        let section = |level, name: &str, commands: &[&str], files: &[(&str, &str)]| Section {
            level,
            name: name.to_owned(),
            commands: commands.iter().map(|&it| it.to_owned()).collect(),
            files: files
                .iter()
                .map(|&(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
        };
        let expected = [
            Section::default(),
            section(1, "T", &["export A=1\n"], &[]),
            section(
                2,
                "A",
                &["run\n  it\n"],
                &[("a.x", "## 1\n    2\n"), ("b.x", "2\n")],
            ),
            section(3, "B", &["cc b\n./b\n", "d\n"], &[]),
        ];
        assert_eq!(sections(page), expected);
    }
}
