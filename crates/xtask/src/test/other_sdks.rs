//! docs/other-sdks.md, run as a reader would: its commands and programs as printed, in a folder elsewhere, against an
//! emulator of the command line. Each language must get an answer without an error, and one that is missing on this
//! machine is named as skipped.
//!
//! What would fetch an unlocked dependency is not run: the Rust program is the example `other_sdk` of this crate, which
//! Cargo builds with all others, by Cargo.lock. A test holds that its code is what the page prints.
//!
//! The form: `## Start` with the command of the emulator and, in a second fence, the settings of the other terminal; then
//! a section a language. A fence of `sh` is commands; any other but `text` is the file that the nearest backquotes
//! before it name. The port 8443 stands for any.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::go::FETCHES_NOTHING;
use super::readme::Elsewhere;
use super::summary::Outcome;
use super::tools;
use crate::Error;
use crate::cargo::{clean, root};
use crate::install::build;

const PAGE: &str = "docs/other-sdks.md";
const PORT: &str = "8443";
const DONE: &str = "\"ErrorCode\":0";

/// Looks for what a language needs, and installs it where that can be.
type Check = fn() -> Result<(), String>;

/// The sections that are run.
const LANGUAGES: [(&str, Check); 7] = [
    ("curl", || tools::program("curl", "curl")),
    ("Java", tools::java),
    ("Python", || tools::program("python3", "python3")),
    ("Node", || tools::program("node", "nodejs")),
    ("Go", tools::any_go),
    ("PHP", tools::php),
    (RUST, || Ok(())),
];

const RUST: &str = "Rust";

/// The example of this crate that is the page's Rust program, and where the page has it.
const EXAMPLE: &str = "other_sdk";
const PROGRAM: &str = "target/debug/tag";

/// A part of the page: what is typed in each of its fences, and its files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section {
    name: String,
    commands: Vec<String>,
    files: Vec<(String, String)>,
}

/// What became of each language that is not ok, in a sentence.
#[derive(Debug, Default)]
struct Languages {
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Languages {
    fn outcome(self) -> Outcome {
        if !self.failed.is_empty() {
            Outcome::Failed([self.failed, self.skipped].concat().join("; "))
        } else if !self.skipped.is_empty() {
            Outcome::Skipped(self.skipped.join("; "))
        } else {
            Outcome::Ok
        }
    }
}

pub(super) fn examples() -> Outcome {
    match run() {
        Ok(languages) => languages.outcome(),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn run() -> Result<Languages, Error> {
    let sections = sections(&fs::read_to_string(root().join(PAGE))?);
    let [start, settings] = &section(&sections, "Start")?.commands[..] else {
        return Err(format!("{PAGE}: its start is not the emulator and the settings").into());
    };
    let elsewhere = Elsewhere::new()?;
    let folder = &elsewhere.0;
    let emulator = Emulator::start(folder, start)?;
    let mut languages = Languages::default();
    for (name, is_there) in LANGUAGES {
        let section = section(&sections, name)?;
        if let Err(why) = is_there() {
            println!("{name}: skipped: {why}");
            languages.skipped.push(format!("{name} is skipped: {why}"));
        } else if let Err(error) = section.run(folder, settings, &emulator.port) {
            languages.failed.push(format!("{name}: {error}"));
        } else {
            println!("{name}: ok");
        }
    }
    Ok(languages)
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
        if self.name == RUST {
            let program = folder.join(PROGRAM);
            fs::create_dir_all(program.parent().unwrap_or(folder))?;
            fs::copy(build::for_tests()?.file(EXAMPLE)?, program)?;
        }
        for commands in &self.commands {
            let script = format!("{settings}{}", without_cargo(commands)).replace(PORT, port);
            let output = shell(folder, &script)?.output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || !said.contains(DONE) {
                let complaint = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{}\n{said}{complaint}", output.status).into());
            }
        }
        Ok(())
    }
}

/// The commands but those of Cargo, which take the newest of all dependencies.
fn without_cargo(commands: &str) -> String {
    let lines = commands.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("cargo ")).collect()
}

/// A shell that knows the command line, and no proxy of the machine.
fn shell(folder: &Path, script: &str) -> Result<Command, Error> {
    let command_line = build::for_tests()?.file("imtag")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = command_line.parent().map(Path::to_owned);
    let paths = first.into_iter().chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    clean(&mut shell);
    shell
        .args(["-eu", "-c", script])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(paths)?)
        .envs(FETCHES_NOTHING);
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
    Ok(shell)
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
        let mut child = shell(folder, &script)?.stdout(Stdio::piped()).spawn()?;
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
        for (name, _) in LANGUAGES {
            let section = section(&sections, name).unwrap();
            assert!(!section.commands.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_language_that_is_missing_is_skipped_by_name_and_hides_no_failure() {
        let languages = |failed: &[&str], skipped: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            let (failed, skipped) = (owned(failed), owned(skipped));
            Languages { failed, skipped }.outcome()
        };
        assert_eq!(languages(&[], &[]), Outcome::Ok);
        assert_eq!(
            languages(&[], &["Java is skipped: a", "Node is skipped: b"]),
            Outcome::Skipped("Java is skipped: a; Node is skipped: b".to_owned())
        );
        assert_eq!(
            languages(&["Go: c"], &["Java is skipped: a"]),
            Outcome::Failed("Go: c; Java is skipped: a".to_owned())
        );
    }

    #[test]
    fn the_rust_program_is_built_by_the_lock_as_the_page_prints_it() {
        let sections = sections(&fs::read_to_string(root().join(PAGE)).unwrap());
        let rust = section(&sections, RUST).unwrap();
        let example = format!("crates/xtask/examples/{EXAMPLE}.rs");
        let example = fs::read_to_string(root().join(example)).unwrap();
        let (_, code) = example.split_once("\n\n").unwrap();
        assert_eq!(rust.files, [("src/main.rs".to_owned(), code.to_owned())]);
        let run: Vec<_> = rust.commands.iter().map(|it| without_cargo(it)).collect();
        assert_eq!(
            run,
            [format!(
                "unset HTTPS_PROXY\nHTTPS_PROXY=http://127.0.0.1:8443 {PROGRAM}\n"
            )]
        );
    }
}
