//! `cargo xtask bench --against REV NAME`: builds another commit in a working tree of its own, and runs a benchmark of both
//! in turn. It prints the medians of all figures: those that stand in the same place of the same line. A benchmark that has
//! rounds takes the other commit into them instead, as machines change faster than it ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::median;
use crate::Error;
use crate::cargo::{cargo, root};
use crate::install::build;
use crate::program::{output, run as run_command};

/// How often each runs.
const RUNS: usize = 3;

/// Another commit, with a target folder inside. It is removed when this is dropped; what a run leaves that is interrupted or
/// killed, the next one removes at its start.
pub(super) struct Worktree {
    folder: TempDir,
    /// Held to the end, so that no run removes what another one uses. The system lets it go with the process.
    _lock: File,
}

/// How the names of these folders start.
const PREFIX: &str = "against-";

impl Worktree {
    pub(super) fn new(revision: &str) -> Result<Worktree, Error> {
        let target = build::target()?;
        let lock = alone(&target)?;
        remove_left(&root(), &target)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(target)?;
        let worktree = Worktree {
            folder,
            _lock: lock,
        };
        let mut add = git(&root(), &["add", "--quiet", "--detach"]);
        output(add.arg(worktree.path()).arg(revision))?;
        Ok(worktree)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Makes a command of Cargo, or of a program that starts Cargo, one of this commit.
    pub(super) fn inside<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = self.path();
        command.env("CARGO_TARGET_DIR", path.join("target"));
        command.current_dir(path)
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        // one that cannot be removed is tried again by the next run
        let _ = output(git(&root(), &["remove", "--force"]).arg(self.path()));
    }
}

/// Refuses a second run in the same target folder.
fn alone(target: &Path) -> Result<File, Error> {
    let lock = File::create(target.join("against.lock"))?;
    let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive);
    locked.map_err(|error| format!("another --against runs in {}: {error}", target.display()))?;
    Ok(lock)
}

/// Removes what interrupted runs left: their folders, and Git's entries of them.
fn remove_left(repository: &Path, target: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with(PREFIX) || !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = entry.path();
        // twice, as one that was never finished is locked; Git may know nothing of it, and the folder goes all the same
        let mut remove = git(repository, &["remove", "--force", "--force"]);
        let _ = output(remove.arg(folder.join("tree")));
        fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    output(&mut git(repository, &["prune"]))?;
    Ok(())
}

fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(repository).arg("worktree").args(arguments);
    git
}

/// Runs a benchmark of this commit and of another.
pub(super) fn run(revision: &str, name: &str, arguments: &[OsString]) -> Result<(), Error> {
    let worktree = Worktree::new(revision)?;
    let programs = [
        optimised(&mut cargo(BUILD), &build::target()?)?,
        optimised(
            worktree.inside(&mut cargo(BUILD)),
            &worktree.path().join("target"),
        )?,
    ];
    let mut printed = [Vec::new(), Vec::new()];
    for run in 0..2 * RUNS {
        // here, there, there, here: neither always comes after the other
        let at = (run + run / 2) % 2;
        let mut command = Command::new(&programs[at]);
        command.args(["bench", name]).args(arguments);
        if at == 1 {
            worktree.inside(&mut command);
        }
        eprintln!("run {} of {}", run + 1, 2 * RUNS);
        printed[at].push(output(&mut command)?);
    }
    let [here, there] = printed;
    println!("each figure here, at {revision}, and the ratio; the medians of {RUNS} runs in turn");
    print!("{}", compared(&here, &there));
    Ok(())
}

const BUILD: [&str; 4] = ["build", "--release", "--package", "xtask"];

fn optimised(build: &mut Command, target: &Path) -> Result<PathBuf, Error> {
    run_command(build)?;
    Ok(target.join("release/xtask"))
}

/// Stands in a line for a figure, as nothing prints it.
const FIGURE: char = '\0';

/// A printed line: its words with [`FIGURE`] for each figure, and the figures.
fn line(text: &str) -> (String, Vec<f64>) {
    let mut figures = Vec::new();
    let words = text.split_whitespace().map(|word| {
        if !word.starts_with(|first: char| first.is_ascii_digit()) {
            return word.to_owned();
        }
        let end = word.find(|it: char| !it.is_ascii_digit() && it != '.');
        let (number, unit) = word.split_at(end.unwrap_or(word.len()));
        let is_unit = unit
            .chars()
            .all(|it| it.is_alphabetic() || "%,;:)".contains(it));
        match number.parse() {
            Ok(figure) if is_unit => figures.push(figure),
            // a spread, a time of day, a number with commas
            _ => return "…".to_owned(),
        }
        format!("{FIGURE}{unit}")
    });
    let words: Vec<String> = words.collect();
    (words.join(" "), figures)
}

/// The lines of the first text of `here`, each figure with the medians of both and their ratio.
fn compared(here: &[String], there: &[String]) -> String {
    let read = |texts: &[String]| -> Vec<Vec<(String, Vec<f64>)>> {
        let texts = texts.iter();
        texts.map(|text| text.lines().map(line).collect()).collect()
    };
    let (here, there) = (read(here), read(there));
    let mut result = String::new();
    for (at, (words, figures)) in here[0].iter().enumerate() {
        if figures.is_empty() {
            result += &format!("{words}\n");
            continue;
        }
        // the same line may be there more than once
        let before = here[0][..at].iter().filter(|(it, _)| it == words).count();
        let find = |lines: &Vec<(String, Vec<f64>)>| {
            let mut same = lines.iter().filter(|(it, _)| it == words);
            same.nth(before).map(|(_, figures)| figures.clone())
        };
        let [here, there] = [&here, &there].map(|texts| texts.iter().map(find).collect());
        let sides: [Option<Vec<Vec<f64>>>; 2] = [here, there];
        let [Some(here), Some(there)] = sides else {
            let words = words.replace(FIGURE, "?");
            result += &format!("{words}: not in each run\n");
            continue;
        };
        let mut words = words.split(FIGURE);
        result += words.next().unwrap_or_default();
        for (figure, words) in words.enumerate() {
            let mut all = here.iter().chain(&there).map(|figures| figures[figure]);
            let [here, there] =
                [&here, &there].map(|runs| median(runs.iter().map(|figures| figures[figure])));
            // one that never changes was not measured
            result += &if all.all(|it| it == here) {
                here.to_string()
            } else {
                format!("[{here} {there} {:.2}]", here / there)
            };
            result += words;
        }
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_run_left_is_removed_with_its_entry() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let run = |arguments: &[&str]| {
            let mut git = Command::new("git");
            output(git.current_dir(folder).args(arguments)).unwrap()
        };
        run(&["init", "--quiet"]);
        run(&["config", "user.name", "a"]);
        run(&["config", "user.email", "a@localhost"]);
        run(&["config", "commit.gpgsign", "false"]);
        run(&["commit", "--quiet", "--allow-empty", "--message", "a"]);
        let target = folder.join("target");
        for left in ["against-a", "against-b"] {
            let tree = target.join(left).join("tree");
            let tree = tree.to_str().unwrap();
            run(&["worktree", "add", "--quiet", "--detach", tree]);
        }
        // as Git locks one that it has not finished
        run(&["worktree", "lock", "target/against-b/tree"]);
        for left in ["against-c", "release"] {
            fs::create_dir(target.join(left)).unwrap();
        }
        fs::write(target.join("against-c/file"), "").unwrap();
        remove_left(folder, &target).unwrap();
        let kept: Vec<_> = fs::read_dir(&target).unwrap().collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(run(&["worktree", "list"]).lines().count(), 1);
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = alone(folder.path()).unwrap();
        let second = alone(folder.path()).unwrap_err().to_string();
        assert!(second.starts_with("another --against runs in "), "{second}");
    }

    #[test]
    fn a_line_is_its_words_and_its_figures() {
        assert_eq!(
            line("plain, small # floor   14.8  2.20-2.23  12%  1.5ms, 2,000 ?"),
            (
                "plain, small # floor \0 … \0% \0ms, … ?".to_owned(),
                vec![14.8, 12.0, 1.5]
            )
        );
    }

    #[test]
    fn figures_of_the_same_place_are_compared_by_their_medians() {
        let texts = |figures: [u32; 3]| {
            figures.map(|it| format!("a heading\nin 7 s: users/s {it}\nusers/s {}\n", 2 * it))
        };
        let mut there = texts([200, 100, 900]);
        assert_eq!(
            compared(&texts([50, 110, 100]), &there),
            "a heading\nin 7 s: users/s [100 200 0.50]\nusers/s [200 400 0.50]\n"
        );
        there[2] = "in 7 s: users/s 900\n".to_owned();
        assert_eq!(
            compared(&texts([50, 110, 100]), &there),
            "a heading\nin 7 s: users/s [100 200 0.50]\nusers/s ?: not in each run\n"
        );
    }
}
