//! `imtag emulator`: the service on this machine, until Ctrl-C. It prints the settings to use it as lines to copy.
//!
//! A key of its own is never shown: it goes to a file that only this user can read. With `--data` the emulator keeps
//! that file, with everything else that lasts. Without, the key is a throw-away, in a folder that only this user can
//! enter, and both are gone when the emulator ends.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imtag_core::SecretKey;
use imtag_emulator::{DataError, Emulator, StartError, Window as Counted, is_ca_pem};
use serde::Serialize;
use tempfile::TempDir;

use super::context::Context;
use super::exports::{absolute, write_exports};
use crate::args::{EmulatorArgs, Window};
use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::Show;
use crate::ownership::FileKind;
use crate::settings;

/// Random bytes of a key: as many as SHA-256 uses.
const KEY_BYTES: usize = 32;

/// The authority's certificate, as imtag may write it. It is no secret.
const CA: FileKind = FileKind {
    name: "the certificate of an emulator",
    flag: "--ca-out",
    mode: 0o666,
    was_made_by_imtag: |file| {
        let mut text = Vec::new();
        file.take(CA_BYTES_AT_MOST).read_to_end(&mut text)?;
        Ok(is_ca_pem(&text))
    },
};

/// Many times what any such certificate has.
const CA_BYTES_AT_MOST: u64 = 64 * 1024;

/// What is printed of a running emulator. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Running {
    endpoint: String,
    sdkappid: u32,
    identifier: String,
    /// None where the key is the one that was set.
    secret_key_file: Option<PathBuf>,
    /// None without TLS.
    ca_file: Option<PathBuf>,
    seed: u64,
}

pub(super) fn run(context: &Context<'_>, arguments: &EmulatorArgs) -> Result<Exit, CommandError> {
    let interrupt = Interrupt::install(context.output)?;
    let served = settings::served(&context.settings()?)?;
    if let Some(path) = &arguments.ca_out {
        CA.check(path)?;
    }
    let folder = Folder::new(&interrupt, arguments.data.as_deref())?;
    let (key, thrown_away) = match (served.key, &folder) {
        (Some(key), _) => (Some(key), None),
        (None, Folder::Kept(_)) => (None, None),
        (None, Folder::Temporary(folder)) => {
            let (key, file) = throw_away_key(folder.path())?;
            (Some(key), Some(file))
        }
    };
    let mut builder = Emulator::builder()
        .address(&arguments.address)
        .tls(arguments.tls)
        .latency(arguments.latency)
        .jitter(arguments.jitter)
        .strict_random(arguments.strict_random)
        .window(match arguments.window {
            Window::Sliding => Counted::Sliding,
            Window::Calendar => Counted::Calendar,
        });
    for name in &arguments.names {
        builder = builder.name(name);
    }
    if let Folder::Kept(data) = &folder {
        builder = builder.data(data);
    }
    if let Some(key) = key {
        builder = builder.secret_key(key);
    }
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed);
    }
    if let Some(sdkappid) = served.sdkappid {
        builder = builder.app(sdkappid);
    }
    if let Some(identifier) = served.identifier {
        builder = builder.identifier(identifier.as_str());
    }
    if let Some(calls) = served.calls_per_second {
        builder = builder.calls_per_second(calls);
    }
    let emulator = builder.start().map_err(not_started)?;
    let kept = emulator.secret_key_file().map(absolute).transpose()?;
    let ca_file = ca_file(&emulator, arguments.ca_out.as_deref(), &folder)?;
    context.output.show(&Running {
        endpoint: emulator.endpoint(),
        sdkappid: emulator.sdkappid().get(),
        identifier: emulator.identifier().to_owned(),
        secret_key_file: kept.or(thrown_away),
        ca_file,
        seed: emulator.seed(),
    })?;
    interrupt.wait();
    Ok(Exit::Done)
}

/// The folder of the key and of the authority's certificate.
enum Folder {
    /// The one that was given, which the emulator makes.
    Kept(PathBuf),
    /// Once it is there, a signal must not end the process before it is removed.
    Temporary(TempDir),
}

impl Folder {
    fn new(interrupt: &Interrupt, data: Option<&Path>) -> Result<Folder, CommandError> {
        interrupt.busy_with(Busy::Serving);
        if let Some(data) = data {
            return Ok(Folder::Kept(data.to_owned()));
        }
        let folder = tempfile::Builder::new()
            .prefix("imtag-emulator-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir();
        folder
            .map(Folder::Temporary)
            .map_err(CommandError::machine("cannot make a temporary folder"))
    }

    fn path(&self) -> &Path {
        match self {
            Folder::Kept(path) => path,
            Folder::Temporary(folder) => folder.path(),
        }
    }
}

fn throw_away_key(folder: &Path) -> Result<(SecretKey, PathBuf), CommandError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        let why =
            format!("the emulator does not start: the system gives no random numbers: {error}");
        CommandError::new(Exit::Unavailable, why)
    })?;
    let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("secret-key");
    write_private(&path, &key).map_err(CommandError::machine("cannot write the key's file"))?;
    let key = SecretKey::new(key).expect("64 hexadecimal digits are a key");
    Ok((key, path))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}

/// The command line has to be changed where the folder is somebody else's or none, or where the address is none.
fn not_started(error: StartError) -> CommandError {
    match error {
        StartError::Data(DataError::Files(error)) if !error.is_denied() => {
            CommandError::usage(error)
        }
        error @ (StartError::Address { .. }
        | StartError::Name(_)
        | StartError::NotLoopback { .. }) => CommandError::usage(error),
        error => CommandError::emulator(&error),
    }
}

/// The file of the authority's certificate: the one that `--ca-out` names, the one that the emulator keeps, or a
/// temporary one. None without TLS.
fn ca_file(
    emulator: &Emulator,
    wished: Option<&Path>,
    folder: &Folder,
) -> Result<Option<PathBuf>, CommandError> {
    let Some(pem) = emulator.ca_pem() else {
        return Ok(None);
    };
    let path = match (wished, emulator.ca_file()) {
        (None, Some(kept)) => return absolute(kept).map(Some),
        (None, None) => folder.path().join("ca.pem"),
        (Some(wished), _) => wished.to_owned(),
    };
    let mut file = CA.hold(&path)?;
    file.write(&mut |file| file.write_all(pem.as_bytes()))?;
    absolute(&path).map(Some)
}

impl Show for Running {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "The emulator takes requests at {} until Ctrl-C.\nIn another terminal:\n",
            self.endpoint
        )?;
        let path = |path: &PathBuf| path.display().to_string();
        let lines = [
            ("IMTAG_ENDPOINT", Some(self.endpoint.clone())),
            ("IMTAG_SDKAPPID", Some(self.sdkappid.to_string())),
            ("IMTAG_IDENTIFIER", Some(self.identifier.clone())),
            (
                "IMTAG_SECRET_KEY_FILE",
                self.secret_key_file.as_ref().map(path),
            ),
            ("IMTAG_CA_FILE", self.ca_file.as_ref().map(path)),
        ];
        write_exports(out, lines)?;
        if self.secret_key_file.is_none() {
            writeln!(out, "  (the secret key is the one that you have set)")?;
        }
        writeln!(out, "\n  imtag add alice vip\n  imtag get alice")
    }
}
