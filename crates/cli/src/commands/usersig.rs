//! `imtag usersig`: makes a UserSig for other tools, or says what one holds. It makes no request.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::UserSig;
use serde::Serialize;

use super::context::Context;
use crate::args::UserSigArgs;
use crate::exit::{CommandError, Exit};
use crate::output::{Show, Shown};
use crate::settings::{self, App};

/// Many times what any UserSig has.
const USERSIG_BYTES_AT_MOST: u64 = 64 * 1024;

/// What a UserSig says. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
struct Says {
    /// The UserSig, if it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    usersig: Option<String>,
    /// True, if one was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    sdkappid: u32,
    identifier: String,
    made_at: u64,
    expires_at: u64,
    /// Seconds until it expires, from the time that was given or from now.
    #[serde(skip)]
    left: u64,
}

pub(super) fn run(context: &Context<'_>, arguments: &UserSigArgs) -> Result<Exit, CommandError> {
    let config = context.settings()?;
    // the key signs and verifies; a UserSig in the environment is the one to look at
    let given = config.get("usersig").and_then(|it| it.text().ok());
    let app = settings::app(&config)?;
    let now = match arguments.time {
        Some(seconds) => Duration::from_secs(seconds),
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    };
    let (usersig, made_at, valid_for) = if arguments.verify {
        let (made_at, valid_for) = verify(&app, given, now)?;
        (None, made_at, valid_for)
    } else {
        let valid_for = Duration::from_secs(arguments.expire);
        let usersig = UserSig::sign(&app.key, app.sdkappid, &app.identifier, valid_for, now);
        (Some(usersig.expose().to_owned()), now, valid_for)
    };
    let expires_at = made_at.saturating_add(valid_for);
    context.output.show(&Says {
        verified: usersig.is_none().then_some(true),
        usersig,
        sdkappid: app.sdkappid.get(),
        identifier: app.identifier.as_str().to_owned(),
        made_at: made_at.as_secs(),
        expires_at: expires_at.as_secs(),
        left: expires_at.saturating_sub(now).as_secs(),
    })?;
    Ok(Exit::Done)
}

/// When it was made, and how long it is valid.
fn verify(
    app: &App,
    given: Option<&str>,
    now: Duration,
) -> Result<(Duration, Duration), CommandError> {
    let usersig = match given {
        Some(text) => UserSig::new(text),
        None => UserSig::from_bytes(&read_standard_input()?),
    };
    let usersig = usersig.map_err(|why| CommandError::new(Exit::Settings, why))?;
    usersig
        .verify(&app.key, app.sdkappid, app.identifier.as_str(), now)
        .map(|verified| (verified.made_at, verified.valid_for))
        .map_err(|why| CommandError::new(Exit::Settings, why))
}

fn read_standard_input() -> Result<Vec<u8>, CommandError> {
    let mut text = Vec::new();
    io::stdin()
        .take(USERSIG_BYTES_AT_MOST)
        .read_to_end(&mut text)
        .map_err(CommandError::machine(
            "standard input, where the UserSig is read as IMTAG_USERSIG is not set, cannot be read",
        ))?;
    Ok(text)
}

impl Show for Says {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(usersig) = &self.usersig {
            // alone, so that it can be put into a variable as it is
            return writeln!(out, "{usersig}");
        }
        writeln!(out, "the UserSig verifies")?;
        writeln!(out, "SDKAppID:    {}", self.sdkappid)?;
        writeln!(out, "identifier:  {}", Shown(&self.identifier))?;
        writeln!(out, "made at:     {} (Unix seconds)", self.made_at)?;
        writeln!(out, "expires at:  {} (in {} s)", self.expires_at, self.left)
    }
}
