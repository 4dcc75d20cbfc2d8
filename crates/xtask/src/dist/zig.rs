//! Builds for an old glibc on a machine that has a new one: zig links against the stubs of whichever version is named.

use std::path::PathBuf;
use std::process::Command;

use super::path_remapping::PathRemapping;
use crate::Error;
use crate::cargo::clean;
use crate::install::build::{self, Built, Libraries};
use crate::install::elf::Glibc;
use crate::pypi::VirtualEnv;

/// The oldest glibc that what is shipped may need: that of RHEL 7 and of the wheels' manylinux2014.
pub(super) const GLIBC: Glibc = (2, 17);

/// What is built with, and for what.
pub(super) struct Zig<'a> {
    pub(super) tools: &'a VirtualEnv,
    pub(super) remapping: &'a PathRemapping,
    pub(super) cache: PathBuf,
}

impl Zig<'_> {
    pub(super) fn libraries(&self) -> Result<Libraries, Error> {
        let mut command = self.cargo_zigbuild("rustc");
        command.args(["-p", "imtag-ffi"]);
        build::libraries_by(command)
    }

    /// The command line.
    pub(super) fn command_line(&self) -> Result<PathBuf, Error> {
        let mut command = self.cargo_zigbuild("zigbuild");
        command.args(["-p", "imtag-cli", "--message-format", "json"]);
        Built::new(command)?.file("imtag")
    }

    /// A task of cargo-zigbuild, for this platform with the old glibc.
    pub(super) fn cargo_zigbuild(&self, task: &str) -> Command {
        let mut command = self.tools.program("cargo-zigbuild");
        clean(&mut command);
        let (major, minor) = GLIBC;
        let target = format!("{}.{major}.{minor}", target());
        command.args([task, "--locked", "--profile", "dist", "--target", &target]);
        command.env("CARGO_ENCODED_RUSTFLAGS", self.remapping.rustflags());
        command.env("CARGO_ZIGBUILD_CACHE_DIR", &self.cache);
        command.env("ZIG_GLOBAL_CACHE_DIR", self.cache.join("zig"));
        command
    }

    /// zig as a C compiler for the same.
    pub(super) fn cc(&self) -> Command {
        let mut command = self.tools.program("python");
        let (major, minor) = GLIBC;
        let target = format!("{}-linux-gnu.{major}.{minor}", std::env::consts::ARCH);
        command.args(["-m", "ziglang", "cc", "-target", &target]);
        command.env("ZIG_GLOBAL_CACHE_DIR", self.cache.join("zig"));
        command
    }
}

/// This platform as Rust calls it.
pub(super) fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}
