from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from emulator import Emulator

import imtag


def pytest_configure() -> None:
    """Undo what is inherited, as programs that the tests start would inherit it too.

    A shell starts a background job with SIGINT ignored, and Python then has no handler for it.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o022)
    for name in list(os.environ):
        if name == "PYTHONWARNINGS" or (name.startswith("IMTAG_") and name not in ("IMTAG_BIN", "IMTAG_LIBRARY")):
            del os.environ[name]


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Fail a test that skips itself, where CI=true: what it lacks is to be installed there."""
    report = pytest.TestReport.from_item_and_call(item, call)
    if report.skipped and os.environ.get("CI") == "true" and item.get_closest_marker("skipif") is None:
        report.outcome = "failed"
    return report


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
