from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import imtag

PROGRAM = """
import imtag
print(imtag.version(), imtag.explain(90001).known)
"""


@pytest.mark.skipif(
    not os.environ.get("IMTAG_LONG_TESTS"), reason="IMTAG_LONG_TESTS is not set: it takes half a minute"
)
def test_a_program_of_one_file_by_pyinstaller_contains_the_library(tmp_path: Path) -> None:
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("PyInstaller is not installed")
    source = tmp_path / "program.py"
    source.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level=ERROR", str(source)]
    folders = [f"--{name}path={tmp_path / name}" for name in ("dist", "work", "spec")]
    environment = {**os.environ, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")}
    subprocess.run([*command, *folders], cwd=tmp_path, env=environment, check=True, timeout=300)
    program = (tmp_path / "dist" / "program").rename(tmp_path / "elsewhere")
    elsewhere = {name: value for name, value in os.environ.items() if not name.startswith(("IMTAG", "PYTHON"))}
    made = subprocess.run([program], cwd="/", env=elsewhere, capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{imtag.version()} True\n", "")


def test_pyinstaller_finds_the_hook() -> None:
    from imtag import _pyinstaller

    (folder,) = _pyinstaller.hook_folders()
    assert (Path(folder) / "hook-imtag.py").is_file()
