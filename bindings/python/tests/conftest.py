from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator import Emulator

import imtag


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    emulator = Emulator()
    yield emulator
    emulator.stop()


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[imtag.Client]:
    with emulator.client() as client:
        yield client
