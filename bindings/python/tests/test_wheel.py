from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import imtag

PROJECT = Path(__file__).resolve().parents[1]


def build(target: str, into: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_a_wheel_contains_the_library_and_names_its_platform(tmp_path: Path) -> None:
    library = tmp_path / "any-name.so.1"
    library.write_bytes(b"a library")
    built = build("wheel", tmp_path, IMTAG_PREBUILT_LIBRARY=str(library))
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name == f"imtag-{imtag.__version__}-py3-none-{platform}.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("imtag/libimtag.so") == b"a library"
        assert {"imtag/py.typed", "imtag/_version.py", "imtag/LICENSE-MIT"} <= set(archive.namelist())


def test_there_is_no_source_distribution(tmp_path: Path) -> None:
    built = build("sdist", tmp_path)
    assert built.returncode != 0
    assert "error: imtag has no source distribution" in built.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "libimtag.so")
    built = build("wheel", tmp_path, IMTAG_PREBUILT_LIBRARY=missing)
    assert built.returncode != 0
    assert f"error: IMTAG_PREBUILT_LIBRARY names {missing}, which is no file" in built.stderr


def test_a_missing_cargo_is_named_with_the_remedy(tmp_path: Path) -> None:
    built = build("wheel", tmp_path, IMTAG_PREBUILT_LIBRARY="", PATH=str(tmp_path))
    assert built.returncode != 0
    assert "error: cargo, which builds libimtag, cannot be started" in built.stderr
    assert "https://rustup.rs" in built.stderr


def test_a_cargo_that_fails_is_named(tmp_path: Path) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\necho 'no such profile' >&2\nexit 101\n", encoding="utf-8")
    cargo.chmod(0o755)
    built = build("wheel", tmp_path, IMTAG_PREBUILT_LIBRARY="", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert built.returncode != 0
    assert "no such profile" in built.stderr
    assert "failed in" in built.stderr
    assert "(exit code 101)" in built.stderr


def test_a_build_leaves_nothing_in_the_repository(tmp_path: Path) -> None:
    before = files()
    build("wheel", tmp_path, IMTAG_PREBUILT_LIBRARY=imtag._library.lib._name, PYTHONDONTWRITEBYTECODE="")
    assert files() == before


def files() -> set[Path]:
    return {path for path in PROJECT.rglob("*") if "tests" not in path.relative_to(PROJECT).parts}
