//! Builds for an old glibc on a machine that has a new one: zig links against the stubs of whichever version is named.

use std::path::PathBuf;
use std::process::Command;

use super::path_remapping::PathRemapping;
use crate::Error;
use crate::cargo::clean;
use crate::install::build::Built;
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
    /// What is built of a package.
    pub(super) fn built(&self, package: &str) -> Result<Built, Error> {
        let mut command = self.cargo_zigbuild();
        command.args(["--package", package]);
        Built::new(command)
    }

    /// A build by cargo-zigbuild, for this platform with the old glibc.
    pub(super) fn cargo_zigbuild(&self) -> Command {
        let mut command = self.tools.program("cargo-zigbuild");
        clean(&mut command);
        let (major, minor) = GLIBC;
        let target = format!("{}.{major}.{minor}", target());
        command.args([
            "zigbuild",
            "--locked",
            "--profile",
            "dist",
            "--target",
            &target,
        ]);
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
