"""The examples of docs/python-async.md, each run as printed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from emulator import HANGS, REPOSITORY, Emulator

PAGE = REPOSITORY / "docs" / "python-async.md"

# how a kernel runs cells: one after the other on the main thread, in a loop that is running
KERNEL = """
import ast, asyncio, inspect, json, sys

async def run(cells, names):
    for cell in cells:
        code = compile(cell, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            value = eval(code, names)
            if inspect.iscoroutine(value):
                await value
        except KeyboardInterrupt as interrupt:
            print("interrupted:", interrupt.__cause__)

asyncio.new_event_loop().run_until_complete(run(json.loads(sys.argv[1]), {}))
"""


def sections() -> dict[str, tuple[list[str], str]]:
    """Return each section's programs, and what they print together."""
    parts = re.split(r"^##+ (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for name, text in zip(["all", *parts[1::2]], parts[::2]):
        fences = re.findall(r"^```(\w+)\n(.*?)^```\n", text, flags=re.MULTILINE | re.DOTALL)
        printed = "".join(text for kind, text in fences if kind == "text")
        found[name] = [text for kind, text in fences if kind == "python"], printed
    return found


(CLIENT,), _ = sections()["all"]


def command(name: str) -> list[str]:
    """Return the command that runs the programs of a section, which share a client."""
    programs, _ = sections()[name]
    if name == "Jupyter":
        return [sys.executable, "-c", KERNEL, json.dumps([CLIENT, *programs])]
    begins_with = 1 if name.startswith("gevent") else 0  # with the patch, before all else
    programs.insert(begins_with, CLIENT)
    return [sys.executable, "-c", "".join(programs)]


def environment(emulator: Emulator, folder: Path) -> dict[str, str]:
    key = folder / "key"
    key.write_text(emulator.secret_key, encoding="utf-8")
    return {**os.environ, "IMTAG_SECRET_KEY_FILE": str(key), "IMTAG_ENDPOINT": emulator.endpoint}


@pytest.mark.parametrize("name", [name for name, (programs, _) in sections().items() if programs and name != "all"])
def test_the_examples_of_a_section_print_what_the_page_says(emulator: Emulator, tmp_path: Path, name: str) -> None:
    if name.startswith("gevent") and importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed")
    settings = environment(emulator, tmp_path)
    ended = subprocess.run(command(name), env=settings, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, sections()[name][1], "")


def test_each_kind_of_program_has_its_section() -> None:
    names = [name for name, (programs, _) in sections().items() if programs]
    kinds = ["A user per event", "One call", "Any number of users", "gevent and eventlet", "Jupyter"]
    assert names == ["all", *kinds]


# what becomes of a change whose task is cancelled, as the page says
CANCELLED = """
import asyncio

async def main():
    batcher = client.batcher(linger=0.5)
    task = asyncio.ensure_future(asyncio.wrap_future(batcher.submit(imtag.add("left", ["a"]))))
    try:
        await asyncio.wait_for(task, 0.01)
    except asyncio.TimeoutError:
        print("time is up;", batcher.unsettled, "without outcome")
    await asyncio.to_thread(batcher.close)

asyncio.run(main())
"""


def test_a_change_whose_task_is_cancelled_goes_on(emulator: Emulator, tmp_path: Path) -> None:
    settings = environment(emulator, tmp_path)
    program = [sys.executable, "-c", CLIENT + CANCELLED]
    ended = subprocess.run(program, env=settings, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("time is up; 1 without outcome\n", "")
    assert emulator.tags("left") == ["a"]


def test_a_call_of_a_cancelled_task_ends_with_it(emulator: Emulator, tmp_path: Path) -> None:
    emulator.faults("add", HANGS)
    (program,), _ = sections()["One call"]
    begin, _ = program.split("result = ")
    wait = "asyncio.run(asyncio.wait_for(add_tag({'u': ['a']}), 0.5))"
    end = f"try:\n    {wait}\nexcept asyncio.TimeoutError:\n    print('over')"
    settings = environment(emulator, tmp_path)
    longer = (CLIENT + begin + end).replace("timeout=3", "timeout=50")
    ended = subprocess.run([sys.executable, "-c", longer], env=settings, capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == ("over\n", "")  # the interpreter waits for the pool's threads


def test_an_interrupt_ends_a_cell_and_the_next_one_runs(emulator: Emulator, tmp_path: Path) -> None:
    emulator.faults("add", HANGS)
    cells = json.dumps([CLIENT, "client.add_tag({'u': ['a']}, timeout=60)", "print(client.get_tag(['u']).users)"])
    with subprocess.Popen(
        [sys.executable, "-c", KERNEL, cells],
        env=environment(emulator, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as kernel:
        emulator.wait_for_arrivals(1)
        kernel.send_signal(signal.SIGINT)
        output, complaint = kernel.communicate(timeout=20)  # of the 60 s that the call has
    said = "interrupted: add: cancelled while waiting for the answer (possibly applied; "
    assert (output[: len(said)], output.splitlines()[1:], complaint) == (said, ["{'u': []}"], "")
