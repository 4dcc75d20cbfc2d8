//! The units of `deploy/systemd`, as systemd itself reads them: nothing in them is unknown to it, the service stays
//! confined, and the file of its user can be read. It starts nothing.

use std::fs;
use std::process::Command;

use crate::build::imtag;
use crate::cargo::root;
use crate::error::Error;
use crate::log::Log;
use crate::tools;

/// Where the files are.
const FOLDER: &str = "deploy/systemd";
const UNITS: [&str; 2] = ["imtag.service", "imtag.socket"];
/// Of its user, as it is named where it is installed.
const USER: (&str, &str) = ("imtag.sysusers", "imtag.conf");

/// Of 100, as `systemd-analyze security` counts what a service could reach; one that is not confined has 96.
const EXPOSURE: &str = "--threshold=20";

pub fn needs() -> Result<(), Error> {
    tools::programs(&[
        ("systemd-analyze", "systemd"),
        ("systemd-sysusers", "systemd"),
    ])
}

pub fn understood(log: &Log) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let program = imtag()?.display().to_string();
    for name in UNITS {
        let unit = fs::read_to_string(root().join(FOLDER).join(name))?;
        // it asks for the program, too, which is not installed here
        let unit = unit.replace("ExecStart=imtag ", &format!("ExecStart={program} "));
        fs::write(folder.path().join(name), unit)?;
    }
    let analyze = |arguments: &[&str]| {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(arguments).current_dir(folder.path());
        // before the system's own units, which they name
        let path = format!("{}:", folder.path().display());
        log.run(analyze.env("SYSTEMD_UNIT_PATH", path))
    };
    // what is wrong with the system's own units is not ours
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    analyze(&[&verify[..], &UNITS].concat())?;
    analyze(&[
        "security",
        "--offline=yes",
        EXPOSURE,
        "--no-pager",
        UNITS[0],
    ])?;
    let (name, installed) = USER;
    let user = folder.path().join(installed);
    fs::copy(root().join(FOLDER).join(name), &user)?;
    log.run(Command::new("systemd-sysusers").arg("--dry-run").arg(user))
}
