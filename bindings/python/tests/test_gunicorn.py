from __future__ import annotations

import http.client
import importlib.util
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from emulator import Emulator

APP = """
import imtag, tags

def app(environ, start_response):
    account = environ["PATH_INFO"].strip("/")
    if account == "later":
        tags.batcher.submit(imtag.add(account, ["a"]))
    else:
        tags.batcher.add_tag(account, ["a"])
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


# a worker that gets the signal to end before it handles signals would wait for ever
READY = """
def post_worker_init(worker):
    worker.log.info("ready")
"""


def get(address: str, path: str) -> int:
    """The HTTP status of an answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(address)
        request = http.client.HTTPConnection("localhost")
        request.sock = connection
        request.request("GET", path)
        return request.getresponse().status


@pytest.mark.parametrize("worker", ["gthread", "gevent"])
@pytest.mark.parametrize("preload", ["True", "False"])
def test_the_readmes_recipe_serves_many_callers_and_loses_nothing_when_it_ends(
    emulator: Emulator, tmp_path: Path, worker: str, preload: str
) -> None:
    for needed in {"gunicorn", worker} - {"gthread"}:
        if importlib.util.find_spec(needed) is None:  # this does not import it here
            pytest.skip(f"{needed} is not installed")
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.split("### Under gunicorn")[1]
    tags, configuration = [block.split("```")[0] for block in section.split("```python\n")[1:3]]
    (tmp_path / "tags.py").write_text(tags, encoding="utf-8")
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    configuration = re.sub("preload_app = True .*", f"preload_app = {preload}", configuration)
    configuration = configuration.replace('"gthread"', f'"{worker}"') + READY
    (tmp_path / "gunicorn.conf.py").write_text(configuration, encoding="utf-8")
    (tmp_path / "key").write_text(emulator.secret_key, encoding="utf-8")
    address = str(tmp_path / "socket")
    environment = {**os.environ, "IMTAG_SECRET_KEY_FILE": str(tmp_path / "key"), "IMTAG_ENDPOINT": emulator.endpoint}
    command = [sys.executable, "-m", "gunicorn", "app:app", "--bind", f"unix:{address}"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            said = ""
            while said.count("ready") < 2:
                line = server.stderr.readline()
                assert line, said
                said += line
            statuses: list[int] = []
            threads = [
                threading.Thread(target=lambda number=number: statuses.append(get(address, f"/u{number}")))
                for number in range(60)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert statuses == [200] * 60
            assert get(address, "/later") == 200
        finally:
            server.terminate()
            said += server.communicate(timeout=30)[1]
    assert server.returncode == 0, said
    assert "Traceback" not in said
    assert [emulator.tags(account) for account in ("u0", "u59", "later")] == [["a"]] * 3
    assert emulator.arrivals() < 60
