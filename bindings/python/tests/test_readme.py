from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from emulator import Emulator

import imtag


def test_the_readme_names_every_setting_and_no_other() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.strip("` ") for row in rows for name in row.split(",")}
    assert named == set(inspect.signature(imtag.Client).parameters)


# what the examples after the first have besides
BEFORE = """
import asyncio, logging, os, pathlib, imtag
log = logging.getLogger()
key = pathlib.Path(os.environ["IMTAG_SECRET_KEY_FILE"]).read_text().strip()
endpoint = os.environ["IMTAG_ENDPOINT"]
client = imtag.Client(sdkappid=1400000000, identifier="administrator", secret_key=key, endpoint=endpoint)
"""


@pytest.mark.parametrize(
    ("marked", "before", "printed"),
    [
        ("client.add_tag(", "", "{'xiaojun012': ['beijing', 'vip'], 'xiaojun013': ['vip']}\n"),
        ("client.bulk(", BEFORE, "1000 done by 10 requests\n"),
        ("client.batcher(", BEFORE, ""),
    ],
)
def test_the_readmes_examples_work_as_printed(
    emulator: Emulator, tmp_path: Path, marked: str, before: str, printed: str
) -> None:
    run = run_example(emulator, tmp_path, marked, before)
    assert (run.stdout, run.stderr) == (printed, "")


def test_the_readmes_log_shows_what_the_page_says(emulator: Emulator, tmp_path: Path) -> None:
    run = run_example(emulator, tmp_path, "imtag.log_to_logging(", BEFORE, "client.add_tag({'u': ['a']})\n")
    lines = [re.sub(r"^\S+ \S+ ", "", line) for line in run.stderr.splitlines()]  # without the time
    assert lines == ['INFO imtag new UserSig: source="secret key" valid_for_s=604800']


def test_prometheus_shows_the_figures(emulator: Emulator, tmp_path: Path) -> None:
    after = (
        "client.add_tag({'u': ['a']})\nclients['other'] = client\n"
        "import prometheus_client\nprint(prometheus_client.generate_latest().decode())\n"
    )
    page = run_example(emulator, tmp_path, "CounterMetricFamily", BEFORE, after).stdout.splitlines()
    for client in ("main", "other"):
        assert f'imtag_calls_total{{client="{client}",operation="add",outcome="done"}} 1.0' in page
    samples = [line.rsplit(" ", 1)[0] for line in page if line.startswith("imtag_")]
    assert len(samples) == len(set(samples)) > 0
    assert page.count("# TYPE imtag_calls_total counter") == 1
    assert "# TYPE imtag_in_outage gauge" in page


def run_example(
    emulator: Emulator, tmp_path: Path, marked: str, before: str, after: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the first example of the README that has this text."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    examples = [block.split("```")[0] for block in readme.split("```python\n")[1:]]
    example = next(example for example in examples if marked in example)
    assert len(example.splitlines()) <= 16
    key = tmp_path / "key"
    key.write_text(emulator.secret_key + "\n", encoding="utf-8")
    environment = {**os.environ, "IMTAG_SECRET_KEY_FILE": str(key), "IMTAG_ENDPOINT": emulator.endpoint}
    command = [sys.executable, "-c", before + example + after]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_the_readme_names_every_error_and_every_option() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for name in imtag.__all__:
        kind = getattr(imtag, name)
        if isinstance(kind, type) and issubclass(kind, imtag.Error) and kind is not imtag.Error:
            assert f"`{name}`" in readme
    for method in (imtag.Client.bulk, imtag.Client.batcher):
        for option in set(inspect.signature(method).parameters) - {"self", "changes"}:
            assert f"`{option}`" in readme or f"`{option}=" in readme
