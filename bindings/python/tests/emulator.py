"""The emulator of the service in a process of its own, and its admin API."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imtag

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("IMTAG_BIN") or str(REPOSITORY / "target" / "debug" / "imtag")
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
HANGS = {"kind": "delay", "delay_ms": 60_000}


class Emulator:
    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen([PROGRAM, "emulator", "--json", *options], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self.endpoint: str = said["endpoint"]
        self.ca_file: str | None = said["ca_file"]
        self.secret_key = Path(said["secret_key_file"]).read_text(encoding="utf-8").strip()
        self.app = {"sdkappid": said["sdkappid"], "identifier": said["identifier"]}

    def stop(self) -> None:
        assert self._process.stdout is not None
        self._process.terminate()
        self._process.stdout.close()
        assert self._process.wait(20) == 0

    def client(self, **settings: Any) -> imtag.Client:
        return imtag.Client(**{**self.app, "secret_key": self.secret_key, "endpoint": self.endpoint, **settings})

    def usersig(self) -> str:
        """A UserSig that the emulator accepts."""
        settings = {"SDKAPPID": str(self.app["sdkappid"]), "IDENTIFIER": self.app["identifier"]}
        settings["SECRET_KEY"] = self.secret_key
        environment = {**os.environ, **{f"IMTAG_{name}": value for name, value in settings.items()}}
        made = subprocess.run([PROGRAM, "usersig"], env=environment, stdout=subprocess.PIPE, check=True, timeout=20)
        return made.stdout.decode().strip()

    def reset(self) -> None:
        self._admin("reset", {})

    def faults(self, route: str, *faults: dict[str, Any]) -> None:
        self._admin("faults", {"route": route, "faults": faults})

    def tags(self, account: str) -> list[str]:
        tags: list[str] = self._admin("users")["users"].get(account, [])
        return tags

    def bodies(self) -> list[Any]:
        return [request["body"] for request in self._admin("requests")["requests"]]

    def arrivals(self) -> int:
        return sum(route["arrivals"] for route in self._admin("stats")["routes"].values())

    def wait_for_arrivals(self, count: int) -> None:
        """Wait until that many requests have arrived since the reset: those with the fault HANGS are then under way."""
        self._wait(lambda: self.arrivals() >= count, f"{count} requests")

    def wait_for_tags(self, account: str) -> None:
        """Wait until a user has tags."""
        self._wait(lambda: bool(self.tags(account)), f"tags of {account}")

    @staticmethod
    def _wait(until: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 20
        while not until():
            assert time.monotonic() < end, f"there were never {what}"
            time.sleep(0.01)

    def _admin(self, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with WITHOUT_PROXY.open(f"{self.endpoint}/emulator/{what}", data=data, timeout=20) as answer:
            return json.load(answer)
