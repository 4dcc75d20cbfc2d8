"""Puts into a wheel libimtag, built by cargo or named by IMTAG_PREBUILT_LIBRARY, and the version.

Nothing is written into the repository: the library goes from cargo's target directory into the wheel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREBUILT = "IMTAG_PREBUILT_LIBRARY"
LIBRARY = "libimtag.dylib" if sys.platform == "darwin" else "libimtag.so"
BUILD = ["cargo", "build", "--locked", "--profile", "dist", "-p", "imtag-ffi"]

if "__cached__" in globals():  # hatchling loads this file as a module: its bytecode would stay in the repository
    cached = Path(globals()["__cached__"])
    cached.unlink(missing_ok=True)
    if cached.parent.is_dir() and not any(cached.parent.iterdir()):
        cached.parent.rmdir()


class LibraryHook(BuildHookInterface[Any]):
    """Puts the library into the wheel, and names the platform that it is for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the build: add files to the wheel."""
        if self.target_name != "wheel":
            stop(
                "imtag has no source distribution, as its library is built in the repository: build the wheel alone, "
                "with `pip wheel` or `python -m build --wheel`"
            )
        if version == "editable":
            stop("imtag cannot be installed as editable: install it again after a change")
        repository = Path(self.root).parent.parent
        library = prebuilt() or built(repository)
        self.made = tempfile.TemporaryDirectory(prefix="imtag-wheel-")
        number = Path(self.made.name, "_version.py")
        number.write_text(f'"""Made with the wheel."""\n\n__version__ = "{self.metadata.version}"\n', encoding="utf-8")
        files = {library: f"imtag/{LIBRARY}", number: "imtag/_version.py"}
        licences = {repository / name: f"imtag/{name}" for name in ("LICENSE-MIT", "LICENSE-APACHE")}
        build_data["force_include"].update({str(file): name for file, name in {**files, **licences}.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = False
        build_data["tag"] = f"py3-none-{platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """After the build."""
        self.made.cleanup()


def platform() -> str:
    """Return this machine's name in wheels."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def prebuilt() -> Path | None:
    """Return the library that the environment names."""
    name = os.environ.get(PREBUILT)
    if not name:
        return None
    library = Path(name).resolve()
    if not library.is_file():
        stop(f"{PREBUILT} names {name}, which is no file")
    return library


def built(repository: Path) -> Path:
    """Return the library, once cargo has built it."""
    if not (repository / "crates" / "ffi" / "Cargo.toml").is_file():
        stop(f"libimtag's sources are not in {repository}: install from the repository, or set {PREBUILT} to a library")
    try:
        cargo = subprocess.run(
            [*BUILD, "--message-format=json-render-diagnostics"], cwd=repository, stdout=subprocess.PIPE, check=False
        )
    except OSError as error:
        stop(
            f"cargo, which builds libimtag, cannot be started ({error}): install Rust 1.85 or later, from "
            f"https://rustup.rs, or set {PREBUILT} to a library that is built"
        )
    if cargo.returncode != 0:
        stop(f"`{' '.join(BUILD)}` failed in {repository} (exit code {cargo.returncode}); its output is above")
    messages = map(json.loads, cargo.stdout.splitlines())
    files = [Path(file) for message in messages for file in message.get("filenames", ())]
    library = next((file for file in files if file.name == LIBRARY), None)
    return library or stop(f"`{' '.join(BUILD)}` names no library")


def stop(why: str) -> NoReturn:
    """End the build with a sentence in place of a traceback."""
    sys.exit(f"error: {why}")
