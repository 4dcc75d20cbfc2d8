from __future__ import annotations

import importlib.util
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulator import HANGS, Emulator
from test_fork import in_child

import imtag

ADD = {"hush-account": ["hush-tag"]}
TRACE = 5


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def events(self) -> list[str]:
        return [event(record) for record in self.records]


def event(record: logging.LogRecord) -> str:
    return str(vars(record)["imtag_event"])


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("imtag")
    logger.propagate = False
    yield logger
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    logger.filters.clear()


@pytest.fixture
def kept(logger: logging.Logger) -> Kept:
    kept = Kept()
    logger.addHandler(kept)
    logger.setLevel(1)
    return kept


@pytest.fixture
def quick(emulator: Emulator) -> Iterator[imtag.Client]:
    """A client with a quota of its own, a connection and a UserSig, so that a call is one record."""
    with emulator.client(calls_per_second=90, fresh_start=True) as quick:
        quick.get_tag(["a"])
        yield quick


def test_a_record_has_text_time_level_and_fields(client: imtag.Client, kept: Kept) -> None:
    before = time.time()
    with imtag.log_to_logging("DEBUG") as log:
        client.add_tag(ADD)
    after = time.time()
    assert repr(log) == "<imtag.Log to 'imtag'>"
    record = next(record for record in kept.records if event(record) == "attempt ended")
    assert (record.name, record.levelno, record.levelname) == ("imtag", logging.DEBUG, "DEBUG")
    assert before - 1e-5 <= record.created <= after
    assert record.msecs == int(record.created * 1000) % 1000
    assert record.msg == "attempt ended: %s"
    words = record.getMessage().split()
    assert words[:2] == ["attempt", "ended:"]
    said = dict(word.split("=") for word in words[2:])
    fields = {name: value for name, value in vars(record).items() if name.startswith("imtag_")}
    assert fields.keys() == {"imtag_event", *(f"imtag_{name}" for name in said)}
    assert (fields["imtag_operation"], fields["imtag_attempt"], fields["imtag_sent"]) == ("add", 1, True)
    assert (said["operation"], said["attempt"], said["sent"]) == ("add", "1", "true")
    assert float(said["duration_ms"]) == fields["imtag_duration_ms"] > 0
    # the rest is what every record has, so that formatters work
    others = {name for name in vars(record) if not name.startswith("imtag_")}
    assert others == set(vars(logging.makeLogRecord({})))


def test_a_text_that_needs_it_is_quoted(client: imtag.Client, emulator: Emulator, kept: Kept) -> None:
    emulator.faults("add", {"kind": "cut_before"})
    with imtag.log_to_logging("DEBUG"):
        client.add_tag(ADD)
    failed = next(record for record in kept.records if "imtag_detail" in vars(record))
    assert f"detail={json.dumps(vars(failed)['imtag_detail'])} " in failed.getMessage()


def test_the_level_is_that_of_the_call_or_of_the_logger(emulator: Emulator, logger: logging.Logger, kept: Kept) -> None:
    def without_usersig() -> imtag.Client:
        return emulator.client(secret_key=None, credential_callback=lambda: None)

    for given, least in {
        None: logging.WARNING,
        "WARNING": logging.WARNING,
        logging.CRITICAL: logging.CRITICAL,
        31: logging.ERROR,
        "INFO": logging.INFO,
        15: logging.INFO,
        TRACE: TRACE,
    }.items():
        logger.setLevel(logging.NOTSET if given else logging.WARNING)
        kept.records.clear()
        with imtag.log_to_logging(given), emulator.client() as own, without_usersig() as refused:
            own.add_tag(ADD)
            with pytest.raises(imtag.CredentialsError):
                refused.add_tag(ADD)
        levels = {record.levelno for record in kept.records}
        there = {logging.WARNING, logging.INFO, logging.DEBUG}
        assert levels == {level for level in there if level >= least}, given


def test_a_level_of_the_logger_holds_too_and_so_does_disable(
    quick: imtag.Client, logger: logging.Logger, kept: Kept
) -> None:
    logger.setLevel(logging.NOTSET)
    with imtag.log_to_logging("DEBUG"):
        quick.add_tag(ADD)
    assert kept.events() == ["attempt ended"]
    logger.setLevel(logging.INFO)
    with imtag.log_to_logging("DEBUG"):
        quick.add_tag(ADD)
    logger.setLevel(logging.NOTSET)
    logging.disable(logging.DEBUG)
    with imtag.log_to_logging("DEBUG"):
        quick.add_tag(ADD)
    logging.disable(logging.NOTSET)
    assert kept.events() == ["attempt ended"]


def test_a_log_that_cannot_go_on_says_so(
    client: imtag.Client, kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def of_no_log(function: Callable[..., int], _: object, *arguments: object) -> int:
        return function(None, *arguments)

    monkeypatch.setattr("imtag._log.blocking", of_no_log)
    with imtag.log_to_logging("DEBUG"):
        pass
    said = capsys.readouterr().err
    assert "imtag.Misuse: " in said
    assert "Message: 'the log ended early'" in said
    client.add_tag(ADD)
    assert kept.records == []


def test_a_wrong_argument_is_named(logger: logging.Logger) -> None:
    with pytest.raises(ValueError, match="level: 'LOUD', expected a level of logging, such as 'DEBUG'"):
        imtag.log_to_logging("LOUD")
    with pytest.raises(TypeError, match="level: float, expected int or str"):
        imtag.log_to_logging(1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"logger: int, expected str or logging\.Logger"):
        imtag.log_to_logging(logger=3)  # type: ignore[arg-type]
    with pytest.raises(imtag.SettingsError, match="capacity: -1, expected 1 to"):
        imtag.log_to_logging(logger=logger, capacity=-1)


def test_a_second_log_to_a_logger_takes_the_place_of_the_first(client: imtag.Client, kept: Kept) -> None:
    first = imtag.log_to_logging("DEBUG")
    with imtag.log_to_logging("DEBUG"):
        client.add_tag(ADD)
    assert kept.events().count("attempt ended") == 1
    client.add_tag(ADD)
    first.close()
    assert kept.events().count("attempt ended") == 1


def test_two_loggers_get_the_same_records_each_from_its_level(client: imtag.Client, kept: Kept) -> None:
    other = logging.Logger("other")
    theirs = Kept()
    other.addHandler(theirs)
    with imtag.log_to_logging("DEBUG"), imtag.log_to_logging("DEBUG", logger=other), client.batcher() as batcher:
        client.add_tag(ADD)
        batcher.add_tag("hush-account", ["a"])
    assert kept.events().count("attempt ended") == theirs.events().count("attempt ended") == 2
    with imtag.log_to_logging("DEBUG"), imtag.log_to_logging("WARNING", logger=other):
        client.add_tag(ADD)
    assert kept.events().count("attempt ended") == 3
    assert theirs.events().count("attempt ended") == 2


def test_records_of_many_threads_come_once_each(client: imtag.Client, kept: Kept) -> None:
    def call() -> None:
        for _ in range(20):
            client.add_tag(ADD)

    threads = [threading.Thread(target=call) for _ in range(8)]
    with imtag.log_to_logging("DEBUG"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert kept.events().count("attempt ended") == 160
    assert {record.threadName for record in kept.records} == {"imtag-log"}


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_handler_that_raises_loses_its_record_and_no_other(
    quick: imtag.Client,
    logger: logging.Logger,
    kept: Kept,
    capsys: pytest.CaptureFixture[str],
    kind: type[BaseException],
) -> None:
    def refuse(record: logging.LogRecord) -> bool:
        if vars(record)["imtag_attempt"] == 1 and not refused:
            refused.append(record)
            raise kind("no room")
        return True

    refused: list[logging.LogRecord] = []
    logger.addFilter(refuse)
    with imtag.log_to_logging("DEBUG"):
        quick.add_tag(ADD)
        quick.add_tag(ADD)
    assert kept.events().count("attempt ended") == 1
    assert len(refused) == 1
    said = capsys.readouterr().err
    assert "--- Logging error ---" in said
    assert f"{kind.__name__}: no room\n" in said
    assert "Message: 'attempt ended'\n" in said


def test_a_handler_that_makes_calls_brings_no_more_records(
    quick: imtag.Client, logger: logging.Logger, kept: Kept, emulator: Emulator
) -> None:
    class Calls(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            quick.get_tag([event(record)])

    logger.addHandler(Calls())
    with imtag.log_to_logging(TRACE), imtag.log_to_logging(TRACE, logger="imtag.other"):
        for _ in range(3):
            quick.add_tag(ADD)
    assert kept.events().count("attempt ended") == 3 + 3  # the other logger's come here, too
    assert emulator.arrivals() == 1 + 3 + len(kept.records)


def test_a_handler_may_end_the_log_and_make_another(client: imtag.Client, logger: logging.Logger, kept: Kept) -> None:
    class Ends(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            log.close()
            if not later:
                later.append(imtag.log_to_logging("DEBUG"))
            came.set()

    later: list[imtag.Log] = []
    came = threading.Event()
    logger.addHandler(Ends())
    log = imtag.log_to_logging("DEBUG")
    client.add_tag(ADD)
    assert came.wait(20)
    client.remove_tag(ADD)
    later[0].close()
    ended = [vars(record)["imtag_operation"] for record in kept.records if event(record) == "attempt ended"]
    assert ended.count("remove") == 1


def test_what_has_no_place_is_counted(quick: imtag.Client, logger: logging.Logger, kept: Kept) -> None:
    def wait(_: logging.LogRecord) -> bool:
        came.set()
        return goes_on.wait(20)

    came, goes_on = threading.Event(), threading.Event()
    logger.addFilter(wait)
    with imtag.log_to_logging("DEBUG", capacity=1):
        quick.add_tag(ADD)
        assert came.wait(20)
        for _ in range(4):
            quick.add_tag(ADD)
        goes_on.set()
    assert kept.events() == ["attempt ended", "attempt ended", "log records were dropped"]
    last = kept.records[-1]
    assert (last.levelno, last.getMessage()) == (logging.WARNING, "log records were dropped: dropped=3")


def test_a_child_has_no_log_until_it_makes_one(client: imtag.Client, kept: Kept) -> None:
    log = imtag.log_to_logging("DEBUG")
    client.add_tag(ADD)

    def child() -> bool:
        kept.records.clear()
        client.add_tag(ADD)
        log.close()
        fine = kept.records == []
        with imtag.log_to_logging("DEBUG"):
            client.add_tag(ADD)
        return fine and kept.events().count("attempt ended") == 1

    in_child(child)
    client.add_tag(ADD)
    log.close()
    assert kept.events().count("attempt ended") == 2


def test_a_fork_beside_a_log_at_work_is_in_order(client: imtag.Client, kept: Kept) -> None:
    def call() -> None:
        while not over.is_set():
            client.add_tag(ADD)

    over = threading.Event()
    threads = [threading.Thread(target=call) for _ in range(2)]

    def child() -> bool:
        kept.records.clear()
        with imtag.log_to_logging("DEBUG"):
            client.get_tag(["a"])
        return kept.events().count("attempt ended") == 1

    with imtag.log_to_logging("DEBUG"):
        for thread in threads:
            thread.start()
        for _ in range(10):
            in_child(child)
        over.set()
        for thread in threads:
            thread.join(20)
    assert kept.events().count("attempt ended") >= 2


EXIT = """
handler = logging.FileHandler(sys.argv[2], mode="w")
handler.setFormatter(logging.Formatter("%(imtag_event)s"))
logging.getLogger().addHandler(handler)
settings = json.loads(sys.argv[1])
client = imtag.Client(**settings)
client.get_tag(["a"])
log = imtag.log_to_logging("DEBUG")
"""
ENDINGS = {
    "calls": "for _ in range(50):\n    client.add_tag({'u': ['a']})\n",
    "sys.exit": "for _ in range(50):\n    client.add_tag({'u': ['a']})\nsys.exit(0)\n",
    "an atexit function": "@atexit.register\ndef last():\n    for _ in range(50): client.add_tag({'u': ['a']})\n",
}


def ended(emulator: Emulator, code: str, *arguments: str) -> tuple[int, str, str]:
    settings = {**emulator.app, "secret_key": emulator.secret_key, "endpoint": emulator.endpoint, "fresh_start": True}
    command = [sys.executable, "-c", code, json.dumps(settings), *arguments]
    program = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return program.returncode, program.stdout, program.stderr


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("imports", ["logging, imtag", "imtag, logging"])
def test_the_end_of_the_interpreter_loses_no_record(emulator: Emulator, tmp_path: Path, imports: str, how: str) -> None:
    code = f"import atexit, json, sys\nimport {imports}\n{EXIT}{ENDINGS[how]}"
    assert ended(emulator, code, str(tmp_path / "log")) == (0, "", "")
    assert (tmp_path / "log").read_text().split("\n").count("attempt ended") == 50


def test_what_a_batcher_sends_as_the_interpreter_ends_is_logged(emulator: Emulator, tmp_path: Path) -> None:
    last = "batcher = client.batcher(linger=60)\nbatcher.submit(imtag.add('u', ['a']))\n"
    code = f"import json, sys\nimport logging, imtag\n{EXIT}{last}"
    assert ended(emulator, code, str(tmp_path / "log")) == (0, "", "")
    assert emulator.tags("u") == ["a"]
    assert "attempt ended\n" in (tmp_path / "log").read_text()


def test_a_handler_that_hangs_does_not_hold_up_the_end(emulator: Emulator, tmp_path: Path) -> None:
    hangs = "logging.getLogger('imtag').addFilter(lambda record: threading.Event().wait())\n"
    code = f"import json, sys, threading\nimport logging, imtag\n{EXIT}{hangs}client.add_tag({{'u': ['a']}})\n"
    assert ended(emulator, code, str(tmp_path / "log")) == (0, "", "")


GREEN = """
import json, logging, sys, threading, time, imtag

def beat():
    while True:
        beats.append(1)
        time.sleep(0.005)

beats = []
logging.basicConfig(format="%(imtag_event)s %(threadName)s", stream=sys.stdout)
logging.getLogger("imtag").addFilter(lambda record: record.imtag_event == "attempt ended")
client = imtag.Client(**json.loads(sys.argv[1]))
threading.Thread(target=beat, daemon=True).start()
with imtag.log_to_logging("DEBUG"):
    logging.getLogger("imtag").setLevel("DEBUG")
    before = len(beats)
    time.sleep(0.2)  # the log waits, and the loop goes on
    client.add_tag({"u": ["a"]})
print(len(beats) > before + 5)
log = imtag.log_to_logging()
client.add_tag({"u": ["a"]})
"""


PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


@pytest.mark.parametrize("kind", PATCHES)
@pytest.mark.parametrize("first", ["patch", "import"])
def test_with_green_threads_the_loop_goes_on(emulator: Emulator, kind: str, first: str) -> None:
    if importlib.util.find_spec(kind) is None:  # this does not import it here
        pytest.skip(f"{kind} is not installed")
    patch = PATCHES[kind]
    code = f"{patch}\n{GREEN}" if first == "patch" else f"import imtag\n{patch}\n{GREEN}"
    code = f"import warnings; warnings.simplefilter('ignore')\n{code}"
    line = "attempt ended imtag-log\n"
    assert ended(emulator, code) == (0, f"{line}True\n{line}", "")


def no_proxy() -> socket.socket:
    """A port where the first word of each client ends its connection."""
    port = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        while True:
            try:
                connection, _ = port.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 407 hush-password\r\n\r\n")

    threading.Thread(target=refuse, daemon=True).start()
    return port


def test_no_record_shows_a_secret_or_a_user(emulator: Emulator, kept: Kept) -> None:
    usersigs = [emulator.usersig()]

    def supply() -> str:
        if len(usersigs) > 2:
            raise RuntimeError("hush-reason")
        usersigs.append(emulator.usersig())
        return usersigs[-1]

    text = f"hush-account {usersigs[0]}"
    with imtag.log_to_logging(TRACE):
        with emulator.client() as client:
            emulator.faults("add", {"kind": "leave_out", "accounts": ["hush-account"], "code": 70107, "text": text})
            with pytest.raises(imtag.PartialFailure):
                client.add_tag({**ADD, "hush-other": ["hush-tag"]})
            refused = [{"kind": "code", "code": code, "text": text} for code in (60008, 60007)]
            emulator.faults("add", *refused, {"kind": "cut_before"})
            client.add_tag(ADD)
            emulator.faults("add", {"kind": "code", "code": 70009, "text": text})
            with pytest.raises(imtag.ServiceError):
                client.add_tag(ADD)
            emulator.faults("add", HANGS)
            with pytest.raises(imtag.TimeoutError):
                client.add_tag(ADD, timeout=0.2, attempt_timeout=0.2)
            changes = [imtag.add(f"hush-{number}", ["hush-tag"]) for number in range(150)]
            emulator.faults("add", {"kind": "code", "code": 40006, "text": text})
            client.bulk(changes).finish()
            with client.batcher() as batcher:
                batcher.add_tag("hush-account", ["hush-tag"])
        with emulator.client(secret_key=None, credential_callback=supply) as client:
            emulator.faults("add", {"kind": "code", "code": 70001, "text": text})
            client.add_tag(ADD)
            emulator.faults("add", {"kind": "code", "code": 70001, "text": text})
            with pytest.raises(imtag.CredentialsError):
                client.add_tag(ADD)
        with no_proxy() as port:
            proxy = f"http://hush-user:hush-password@127.0.0.1:{port.getsockname()[1]}"
            client = emulator.client(endpoint=None, region="singapore", proxy=proxy)
            with client, pytest.raises(imtag.Error):
                client.add_tag(ADD)
    said = {"attempt ended", "trying again", "call failed", "new UserSig", "UserSig expired", "no UserSig"}
    assert said | {"session began", "session ended", "connection opened"} <= set(kept.events())
    for record in kept.records:
        shown = f"{record.getMessage()} {vars(record)}"
        for secret in ("hush", emulator.secret_key, *usersigs):
            assert secret not in shown
