from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

from emulator import Emulator

import imtag


def test_the_readme_names_every_setting_and_no_other() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.strip("` ") for row in rows for name in row.split(",")}
    assert named == set(inspect.signature(imtag.Client).parameters)


def test_the_readmes_example_works_as_printed(emulator: Emulator, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    example = readme.split("```python\n")[1].split("```")[0]
    assert len(example.splitlines()) <= 10
    key = tmp_path / "key"
    key.write_text(emulator.secret_key + "\n", encoding="utf-8")
    environment = {**os.environ, "IMTAG_SECRET_KEY_FILE": str(key), "IMTAG_ENDPOINT": emulator.endpoint}
    command = [sys.executable, "-c", example]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert run.stdout == "{'xiaojun012': ['beijing', 'vip'], 'xiaojun013': ['vip']}\n"
