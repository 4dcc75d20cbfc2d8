//! docs/other-sdks.md, run as a reader would: its commands and programs as printed, in a folder elsewhere, against an
//! emulator of the command line. Each language must get an answer without an error.
//!
//! The form: `## Start` with the command of the emulator and, in a second fence, the settings of the other terminal; then
//! a section a language. A fence of `sh` is commands; any other but `text` is the file that the nearest backquotes
//! before it name. The port 8443 stands for any.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::readme::Elsewhere;
use super::summary::Outcome;
use super::tools;
use crate::Error;
use crate::cargo::{cargo, clean, root};

const PAGE: &str = "docs/other-sdks.md";
const PORT: &str = "8443";
const DONE: &str = "\"ErrorCode\":0";

/// The sections that are run, each with its program and, where it is small, the package that brings it.
const LANGUAGES: [(&str, &str, Option<&str>); 7] = [
    ("curl", "curl", Some("curl")),
    ("Java", "java", None),
    ("Python", "python3", None),
    ("Node", "node", None),
    ("Go", "go", None),
    ("PHP", "php", Some("php-cli")),
    ("Rust", "cargo", None),
];

/// A part of the page: what is typed in each of its fences, and its files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section {
    name: String,
    commands: Vec<String>,
    files: Vec<(String, String)>,
}

pub(super) fn examples() -> Outcome {
    match run() {
        Ok(faults) if faults.is_empty() => Outcome::Ok,
        Ok(faults) => Outcome::Failed(faults.join("; ")),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn run() -> Result<Vec<String>, Error> {
    let sections = sections(&fs::read_to_string(root().join(PAGE))?);
    let [start, settings] = &section(&sections, "Start")?.commands[..] else {
        return Err(format!("{PAGE}: its start is not the emulator and the settings").into());
    };
    let built = cargo(["build", "--quiet", "--package", "imtag-cli"]).status()?;
    if !built.success() {
        return Err("the command line cannot be built".into());
    }
    let elsewhere = Elsewhere::new()?;
    let folder = &elsewhere.0;
    let emulator = Emulator::start(folder, start)?;
    let mut faults = Vec::new();
    for (name, program, package) in LANGUAGES {
        let section = section(&sections, name)?;
        if let Err(why) = there_is(name, program, package) {
            println!("{name}: skipped: {why}");
        } else if let Err(error) = section.run(folder, settings, &emulator.port) {
            faults.push(format!("{name}: {error}"));
        } else {
            println!("{name}: ok");
        }
    }
    Ok(faults)
}

fn there_is(name: &str, program: &str, package: Option<&str>) -> Result<(), String> {
    let asks = if name == "Go" { "version" } else { "--version" };
    match package {
        Some(package) => tools::program(program, package)?,
        None if tools::succeeds(Command::new(program).arg(asks)) => {}
        None => return Err(format!("{program} is not installed")),
    }
    let mut curl = Command::new("php");
    match name {
        "PHP"
            if !tools::succeeds(
                curl.args(["-r", "exit(function_exists('curl_init') ? 0 : 1);"]),
            ) =>
        {
            tools::debian_package("php-curl")
        }
        _ => Ok(()),
    }
}

fn section<'a>(sections: &'a [Section], name: &str) -> Result<&'a Section, Error> {
    let found = sections.iter().find(|section| section.name == name);
    found.ok_or_else(|| format!("{PAGE} has no section {name:?}").into())
}

fn sections(page: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let (mut fence, mut named, mut text) = (None, String::new(), String::new());
    for line in page.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language),
            (None, None) => {
                if let Some(name) = line.strip_prefix("## ") {
                    sections.push(Section {
                        name: name.to_owned(),
                        ..Section::default()
                    });
                }
                if let Some(name) = line.split('`').nth(1) {
                    name.clone_into(&mut named);
                }
            }
            (Some(_), None) => text += &format!("{line}\n"),
            (Some(language), Some(_)) => {
                let text = std::mem::take(&mut text);
                match (sections.last_mut(), language) {
                    (Some(section), "sh") => section.commands.push(text),
                    (Some(section), language) if language != "text" => {
                        section.files.push((named.clone(), text));
                    }
                    _ => {}
                }
                fence = None;
            }
        }
    }
    sections
}

impl Section {
    /// Every fence by itself, so that none lives on another one's answer.
    fn run(&self, folder: &Path, settings: &str, port: &str) -> Result<(), Error> {
        for (name, text) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, text.replace(PORT, port))?;
        }
        for commands in &self.commands {
            let script = format!("{settings}{commands}").replace(PORT, port);
            let output = shell(folder, &script).output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || !said.contains(DONE) {
                let complaint = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{}\n{said}{complaint}", output.status).into());
            }
        }
        Ok(())
    }
}

/// A shell that knows the command line, and no proxy of the machine.
fn shell(folder: &Path, script: &str) -> Command {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(target.join("debug")).chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    clean(&mut shell);
    shell
        .args(["-eu", "-c", script])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(paths).unwrap_or(path))
        .env_remove("CARGO_TARGET_DIR");
    for variable in [
        "https_proxy",
        "HTTPS_PROXY",
        "no_proxy",
        "NO_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        shell.env_remove(variable);
    }
    shell
}

/// The emulator of the page, on a free port; ended when this is dropped.
struct Emulator {
    child: Child,
    port: String,
    /// Kept open, for what it says beside.
    out: BufReader<ChildStdout>,
}

impl Emulator {
    fn start(folder: &Path, command: &str) -> Result<Emulator, Error> {
        let script = format!("exec {}", command.replace(PORT, "0"));
        let mut child = shell(folder, &script).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("the emulator has no output")?;
        let mut emulator = Emulator {
            child,
            port: String::new(),
            out: BufReader::new(out),
        };
        let mut line = String::new();
        emulator.out.read_line(&mut line)?;
        let port = line
            .split("https://127.0.0.1:")
            .nth(1)
            .and_then(|it| it.split(' ').next());
        port.ok_or_else(|| format!("the emulator does not start: {line}"))?
            .clone_into(&mut emulator.port);
        Ok(emulator)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It has ended by itself where this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_its_commands_and_its_files() {
        let page = "# T\n\n`no`\n\n## A\n\n`a.x`:\n\n```x\n## 1\n```\n\nAs `z`.\n\n`b.x`, so:\n\n```y\n2\n```\n\n```sh\nrun\n  it\n```\n\n\
                    ```text\nno\n```\n\n## B\n";
        let a = Section {
            name: "A".to_owned(),
            commands: vec!["run\n  it\n".to_owned()],
            files: vec![
                ("a.x".to_owned(), "## 1\n".to_owned()),
                ("b.x".to_owned(), "2\n".to_owned()),
            ],
        };
        let b = Section {
            name: "B".to_owned(),
            ..Section::default()
        };
        assert_eq!(sections(page), [a, b]);
    }

    #[test]
    fn the_page_has_a_section_for_each_language() {
        let sections = sections(&fs::read_to_string(root().join(PAGE)).unwrap());
        assert_eq!(section(&sections, "Start").unwrap().commands.len(), 2);
        for (name, ..) in LANGUAGES {
            assert!(
                !section(&sections, name).unwrap().commands.is_empty(),
                "{name}"
            );
        }
    }
}
