//! The command line, as a type.

#[cfg(feature = "emulator")]
mod emulator;
#[cfg(feature = "serve")]
mod queue;
mod seconds;
#[cfg(feature = "serve")]
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{
    Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser,
};
use imtag_transport::{Config, Kind, SETTINGS, Setting};

#[cfg(feature = "emulator")]
pub(crate) use emulator::{EmulatorArgs, Window};
#[cfg(feature = "serve")]
pub(crate) use queue::{PurgeArgs, QueueAction, QueueArgs};
use seconds::seconds;
#[cfg(feature = "serve")]
pub(crate) use serve::ServeArgs;

use crate::exit;
use crate::import::Memory;
use crate::output::Format;
use crate::settings;

/// Tags users of Tencent Chat.
#[derive(Parser)]
#[command(name = "imtag", version, max_term_width = 80)]
pub(crate) struct Cli {
    /// Print one JSON object in place of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Time for each call, with its waits and retries [default: 10; import: 60]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// Say on standard error what goes on: -v what matters, -vv also each attempt
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// How -v says it; json is one object a line [default: text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "text|json",
        hide_possible_values = true
    )]
    pub(crate) log_format: Option<Format>,

    #[arg(skip)]
    pub(crate) settings: Config,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add tags to a user
    Add(UserAndTags),
    /// Show the tags of users
    Get(Accounts),
    /// Remove tags from a user
    Remove(UserAndTags),
    /// Remove all tags of users
    Clear {
        #[command(flatten)]
        accounts: Accounts,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Tag the users of a CSV or NDJSON file
    Import(ImportArgs),
    /// Make a UserSig, or look at one
    Usersig(UserSigArgs),
    /// Run an emulator of the service, to try things out
    #[cfg(feature = "emulator")]
    Emulator(EmulatorArgs),
    /// Take the service's own calls on this host, from programs of any language
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    /// Look at the changes that wait in a daemon's folder while it does not run
    #[cfg(feature = "serve")]
    Queue(QueueArgs),
    /// Find out why tagging does not work, and what to do: it only reads
    Doctor,
    /// Say what an error code of the service means
    Explain {
        /// The code
        #[arg(allow_negative_numbers = true)]
        code: i32,
    },
}

impl Command {
    /// True if settings say how much it logs, where no `-v` is given.
    fn has_log_level(&self) -> bool {
        #[cfg(feature = "serve")]
        if matches!(self, Command::Serve(_)) {
            return true;
        }
        false
    }
}

#[derive(Debug, Args)]
pub(crate) struct UserAndTags {
    /// The user
    pub(crate) account: String,
    /// The tags
    #[arg(value_name = "TAG", required = true)]
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Accounts {
    /// The users
    #[arg(value_name = "ACCOUNT", required = true)]
    pub(crate) accounts: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// CSV with the header account,tag or account,tags and perhaps op, or NDJSON; plain, gzip or zstd; - is standard input
    pub(crate) file: PathBuf,
    /// Import into an emulator of the service in this process: no account and no settings needed
    #[cfg(feature = "emulator")]
    #[arg(long, conflicts_with_all = ["dry_run", "list_failed"])]
    pub(crate) demo: bool,
    /// Where to keep what is done, so that the same command goes on after a crash [default: FILE.journal]
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,
    /// Where to list who failed, to be imported again [default: FILE.failed.ndjson]
    #[arg(long, value_name = "PATH")]
    pub(crate) failed: Option<PathBuf>,
    /// List who failed so far in an import that was killed, and send nothing; no settings needed
    #[arg(long, conflicts_with_all = ["dry_run", "bad_rows"])]
    pub(crate) list_failed: bool,
    /// Where to list all bad rows [default: FILE.bad-rows.ndjson; none with --dry-run or --demo]
    #[arg(long, value_name = "PATH")]
    pub(crate) bad_rows: Option<PathBuf>,
    /// Read, check, group and count, and send nothing; no settings needed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Memory for the rows of the file; what does not fit goes to a temporary file
    #[arg(long, value_name = "SIZE", default_value_t = Memory::DEFAULT)]
    pub(crate) memory: Memory,
    /// A folder for the temporary file [env: TMPDIR]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) temp_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UserSigArgs {
    /// How long the UserSig is valid
    #[arg(long, value_name = "SECONDS", default_value_t = 7 * 24 * 3600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) expire: u64,
    /// The time to sign or verify at, in place of now
    #[arg(long, value_name = "UNIX_SECONDS")]
    pub(crate) time: Option<u64>,
    /// Verify the UserSig that IMTAG_USERSIG or standard input holds
    #[arg(long, conflicts_with = "expire")]
    pub(crate) verify: bool,
}

/// Reads the command line.
///
/// # Errors
/// A mistake in it, or the help that was asked for: both are clap's text.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let of_command = matches.subcommand().map(|it| it.1);
    cli.settings = Config::with_flags(|key| {
        // a setting of one command is a flag of it alone
        let matches = [Some(&matches), of_command].into_iter().flatten();
        let mut given = matches.filter_map(|it| it.try_get_one(key).ok().flatten());
        given.next().cloned()
    });
    let name = matches.subcommand_name().unwrap_or_default();
    if let Some(why) = cli.timeout.and_then(|_| without_timeout(name)) {
        let why = format!("imtag {name} takes no --timeout: {why}");
        let asked = command.find_subcommand_mut(name);
        let asked = asked.expect("a command that was read is one of them");
        return Err(asked.error(ErrorKind::ArgumentConflict, why));
    }
    if let Some(wrong) = settings::wrong_flag(&cli.settings) {
        return Err(command.error(ErrorKind::ValueValidation, wrong));
    }
    if cli.log_format.is_some() && cli.verbose == 0 && !cli.command.has_log_level() {
        let why = "--log-format is how the log is written, and without -v or -vv there is none";
        return Err(command.error(ErrorKind::MissingRequiredArgument, why));
    }
    Ok(cli)
}

/// Why `--timeout` would do nothing in a command; `None` where it is for each call.
fn without_timeout(command: &str) -> Option<&'static str> {
    match command {
        "serve" => Some("a call to the daemon has 8 seconds, or less by the header Imtag-Timeout"),
        "emulator" | "explain" | "usersig" => Some("it makes no call"),
        _ => None,
    }
}

fn command() -> clap::Command {
    let flags = SETTINGS.iter().filter_map(flag);
    let mut command = Cli::command().args(flags).after_help(exit::help());
    let timeout = command.get_arguments().find(|it| it.get_id() == "timeout");
    let hidden = timeout.expect("it is a field of Cli").clone().hide(true);
    for subcommand in command.get_subcommands_mut() {
        if without_timeout(subcommand.get_name()).is_some() {
            // before the build, which gives the others the one of the root
            *subcommand = std::mem::take(subcommand).arg(hidden.clone());
        }
    }
    command.build();
    for subcommand in command.get_subcommands_mut() {
        // or the usage that stands below a mistake would name each flag that is given, as if it were needed
        let usage = subcommand.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").to_owned();
        *subcommand = std::mem::take(subcommand).override_usage(usage);
    }
    command
}

/// The flag of a setting, if it has one.
fn flag(setting: &Setting) -> Option<Arg> {
    let arg = Arg::new(setting.key)
        .long(setting.key.replace('_', "-"))
        .value_name(settings::flag_value(setting)?)
        .value_parser(value_parser!(OsString))
        .help(settings::help(setting))
        .global(true)
        .help_heading("Settings")
        // a number below 0 is the setting's to refuse, with its range
        .allow_negative_numbers(true);
    if setting.kind != Kind::Switch {
        return Some(arg);
    }
    // with `=` only, or the next argument would be taken for the value
    let arg = arg.num_args(0..=1).require_equals(true);
    Some(arg.default_missing_value("true"))
}

/// True if clap's text is what was asked for.
pub(crate) fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_settings_are_taken_before_and_after_the_command() {
        for line in [
            "imtag --region tokyo get alice",
            "imtag get --region tokyo alice",
            "imtag get alice --region tokyo",
        ] {
            let config = asked(line).ok().unwrap().settings;
            assert_eq!(
                settings::any_flag(&config).as_deref(),
                Some("--region"),
                "{line}"
            );
        }
    }

    #[test]
    fn v_is_counted_before_or_after_the_command() {
        for (line, verbose) in [
            ("imtag explain 1", 0),
            ("imtag -v explain 1", 1),
            ("imtag explain 1 --verbose", 1),
            ("imtag explain -vv 1", 2),
            ("imtag explain 1 -v -v -v", 3),
        ] {
            assert_eq!(asked(line).ok().unwrap().verbose, verbose, "{line}");
        }
    }

    #[test]
    fn a_time_limit_is_more_than_no_seconds() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for wrong in ["0", "-1", "nan", "inf", "1e30", "soon", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_limit_is_neither_offered_nor_taken_where_it_would_do_nothing() {
        let (mut with, mut without) = (0, 0);
        for line in [
            "get a",
            "add a t",
            "import f",
            "doctor",
            "serve",
            "emulator",
            "usersig",
            "explain 1",
        ] {
            let Ok(_) = asked(&format!("imtag {line}")) else {
                continue; // a command of a feature that is off
            };
            let name = line.split(' ').next().unwrap();
            let help = asked(&format!("imtag {name} --help")).err().unwrap();
            let is_offered = help.to_string().contains("--timeout");
            assert_eq!(is_offered, without_timeout(name).is_none(), "{name}");
            for given in [
                format!("imtag --timeout 3 {line}"),
                format!("imtag {line} --timeout 3"),
            ] {
                match asked(&given) {
                    Ok(cli) => assert_eq!(cli.timeout, Some(Duration::from_secs(3))),
                    Err(error) => {
                        let says = error.to_string();
                        let start = format!("error: imtag {name} takes no --timeout: ");
                        assert!(says.starts_with(&start), "{says}");
                    }
                }
                assert_eq!(asked(&given).is_ok(), is_offered, "{given}");
            }
            if is_offered {
                with += 1;
            } else {
                without += 1;
            }
        }
        assert!(with == 4 && without >= 2);
    }

    #[test]
    fn the_help_lists_the_exit_codes() {
        let help = asked("imtag --help").err().unwrap();
        assert!(is_help(&help));
        let help = help.to_string();
        let words: Vec<&str> = help.split_whitespace().collect();
        for exit in crate::exit::Exit::ALL {
            assert!(words.join(" ").contains(exit.meaning()));
        }
    }

    #[test]
    fn no_help_is_wider_than_the_terminal_or_80_columns() {
        for (terminal, widest) in [(Some(60), 60), (Some(80), 80), (None, 80)] {
            let mut root = command();
            root.build();
            let commands: Vec<_> = root.get_subcommands().cloned().collect();
            assert!(commands.len() > 7);
            for mut command in [root].into_iter().chain(commands) {
                if let Some(terminal) = terminal {
                    command = command.term_width(terminal);
                }
                let help = command.render_help().to_string();
                for line in help.lines() {
                    assert!(line.chars().count() <= widest, "{widest}: {line}");
                }
            }
        }
    }
}
