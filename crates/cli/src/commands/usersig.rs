//! `imtag usersig`: makes a UserSig for other tools, or says what one holds. It makes no request.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::UserSig;
use serde::Serialize;

use super::Context;
use crate::args::UserSigArgs;
use crate::exit::{CommandError, Exit};
use crate::output::{Show, Shown};
use crate::settings::App;

/// Many times what any UserSig has.
const USERSIG_BYTES_AT_MOST: u64 = 64 * 1024;

#[derive(Serialize)]
struct Made {
    usersig: String,
    #[serde(flatten)]
    says: Says,
}

/// What a UserSig says.
#[derive(Serialize)]
struct Says {
    sdkappid: u32,
    identifier: String,
    made_at: u64,
    expires_at: u64,
    /// Seconds until it expires, from the time that was given or from now.
    #[serde(skip)]
    left: u64,
}

#[derive(Serialize)]
struct Verified {
    verified: bool,
    #[serde(flatten)]
    says: Says,
}

pub(super) fn run(context: &Context<'_>, arguments: &UserSigArgs) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    // the key signs and verifies; a UserSig in the environment is the one to look at
    let given = settings.usersig_text().map(str::to_owned);
    let app = settings.app()?;
    let now = match arguments.time {
        Some(seconds) => Duration::from_secs(seconds),
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    };
    if arguments.verify {
        verify(context, &app, given, now)
    } else {
        make(context, &app, Duration::from_secs(arguments.expire), now)
    }
}

fn make(
    context: &Context<'_>,
    app: &App,
    valid_for: Duration,
    now: Duration,
) -> Result<Exit, CommandError> {
    let usersig = UserSig::sign(&app.key, app.sdkappid, &app.identifier, valid_for, now);
    context.output.show(&Made {
        usersig: usersig.expose().to_owned(),
        says: Says::new(app, app.identifier.as_str(), now, valid_for, now),
    })?;
    Ok(Exit::Done)
}

fn verify(
    context: &Context<'_>,
    app: &App,
    given: Option<String>,
    now: Duration,
) -> Result<Exit, CommandError> {
    let refused = |why: &dyn std::fmt::Display| CommandError::new(Exit::Settings, why);
    let usersig = match given {
        Some(text) => UserSig::new(text),
        None => UserSig::from_bytes(&read_standard_input()?),
    };
    let usersig = usersig.map_err(|why| refused(&why))?;
    let verified = usersig
        .verify(&app.key, app.sdkappid, app.identifier.as_str(), now)
        .map_err(|why| refused(&why))?;
    context.output.show(&Verified {
        verified: true,
        says: Says::new(
            app,
            app.identifier.as_str(),
            verified.made_at,
            verified.valid_for,
            now,
        ),
    })?;
    Ok(Exit::Done)
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

impl Says {
    fn new(
        app: &App,
        identifier: &str,
        made_at: Duration,
        valid_for: Duration,
        now: Duration,
    ) -> Says {
        let expires_at = made_at.saturating_add(valid_for);
        Says {
            sdkappid: app.sdkappid.get(),
            identifier: identifier.to_owned(),
            made_at: made_at.as_secs(),
            expires_at: expires_at.as_secs(),
            left: expires_at.saturating_sub(now).as_secs(),
        }
    }
}

/// The UserSig alone, so that it can be put into a variable as it is.
impl Show for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.usersig)
    }
}

impl Show for Verified {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let says = &self.says;
        writeln!(out, "the UserSig verifies")?;
        writeln!(out, "SDKAppID:    {}", says.sdkappid)?;
        writeln!(out, "identifier:  {}", Shown(&says.identifier))?;
        writeln!(out, "made at:     {} (Unix seconds)", says.made_at)?;
        writeln!(out, "expires at:  {} (in {} s)", says.expires_at, says.left)
    }
}
