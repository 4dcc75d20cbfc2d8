from __future__ import annotations

import copy
import gc
import itertools
import pickle
import resource
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator import HANGS, Emulator

import imtag

# So requests are exact, however slow the machine is: none is sent before it is full, or repeated as it takes long.
EXACT: dict[str, Any] = {"linger": 1000, "timeout": 1000, "attempt_timeout": 1000}


def users(count: int) -> Iterator[imtag.Change]:
    return (imtag.add(f"u{number}", ["a"]) for number in range(count))


def errors(run: imtag.Bulk) -> dict[str, imtag.ChangeError]:
    """The errors of changes of the run, by account."""
    return {error.account: error for *_, error in run if error is not None}


@pytest.mark.parametrize("kind", [iter, list])
def test_every_change_has_one_outcome_and_is_packed_with_others(
    emulator: Emulator, client: imtag.Client, kind: type
) -> None:
    changes = list(users(250))
    run = client.bulk(kind(changes), **EXACT)
    outcomes = list(run)
    assert sorted(outcome.change.account for outcome in outcomes) == sorted(change.account for change in changes)
    assert {outcome.error for outcome in outcomes} == {None}
    assert all(outcome.change is changes[outcome.index] for outcome in outcomes)
    assert emulator.tags("u249") == ["a"]
    summary = run.summary
    assert (summary.taken, summary.done, summary.failed, summary.requests, summary.unsettled) == (250, 250, 0, 3, 0)
    assert emulator.arrivals() == 3
    assert list(run) == []


def test_a_run_adds_removes_and_clears_in_the_order_of_each_account(emulator: Emulator, client: imtag.Client) -> None:
    changes = [
        imtag.add("u1", ["a", "b", "北京"]),
        imtag.remove("u1", (b"a",)),
        imtag.add("u2", ["a"]),
        imtag.clear("u2"),
        imtag.add(b"u2", iter(["b"])),
    ]
    assert client.bulk(changes).finish().done == 5
    assert (emulator.tags("u1"), emulator.tags("u2")) == (["b", "北京"], ["b"])


def test_nothing_is_sent_for_no_changes(emulator: Emulator, client: imtag.Client) -> None:
    assert client.bulk([]).finish() == imtag.Summary()
    assert emulator.arrivals() == 0


def test_a_change_that_fails_is_named_with_its_undone_tags(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "leave_out", "accounts": ["u1"], "code": 70107, "text": "who?"})
    run = client.bulk([imtag.add("u0", ["a"]), imtag.add("u1", ["a", "b"])])
    found = errors(run)
    assert list(found) == ["u1"]
    error = found["u1"]
    assert isinstance(error, imtag.ServiceError)
    assert (error.account, error.code, error.text, error.undone) == ("u1", 70107, "who?", ("a", "b"))
    assert (error.effect, error.retryable) == (imtag.Effect.NOT_APPLIED, False)
    assert error.remedy
    assert "u1" in str(error)
    assert run.summary.failed == 1


def test_of_a_change_that_takes_two_requests_only_the_tags_of_the_failed_one_are_undone(
    emulator: Emulator, client: imtag.Client
) -> None:
    emulator.faults(
        "add", {"kind": "leave_out", "accounts": ["nobody"], "code": 70107}, {"kind": "code", "code": 90001}
    )
    tags = [f"t{number}" for number in range(12)]
    error = errors(client.bulk([imtag.add("u", tags)]))["u"]
    assert sorted({*error.undone, *emulator.tags("u")}) == sorted(tags)
    assert 0 < len(error.undone) < 12


def test_a_change_that_breaks_limits_has_its_outcome_as_any_other(emulator: Emulator, client: imtag.Client) -> None:
    changes = [imtag.add("u0", ["a"]), imtag.add("u1", [""]), imtag.add("\ud800", ["a"]), imtag.add("u3", [])]
    found = list(client.bulk(changes, **EXACT))
    why = {outcome.change: outcome.error for outcome in found}
    assert why[changes[0]] is None
    for change in changes[1:]:
        error = why[change]
        assert isinstance(error, imtag.InvalidRequest)
        assert error.violations
        assert error.effect is imtag.Effect.NOT_APPLIED
    assert emulator.arrivals() == 1


def test_finish_keeps_the_errors_of_changes_that_failed(client: imtag.Client) -> None:
    run = client.bulk([imtag.add("u0", ["a"]), imtag.add("u1", [""])])
    summary = run.finish()
    assert (summary.done, summary.failed) == (1, 1)
    assert [error.account for error in run.failures] == ["u1"]
    assert run.finish() == summary


def test_an_endless_input_is_pulled_as_there_is_capacity_until_the_run_is_cancelled(client: imtag.Client) -> None:
    changes = (imtag.add(f"u{number}", ["a"]) for number in itertools.count())
    run = client.bulk(changes, capacity=200, progress=lambda summary: summary.done > 100)
    with pytest.raises(imtag.Cancelled):
        run.finish()
    assert run.summary.taken == run.summary.done + run.summary.failed
    assert run.summary.done > 100


def test_a_slow_input_delays_no_change(emulator: Emulator, client: imtag.Client) -> None:
    def slow() -> Iterator[imtag.Change]:
        yield from users(3)
        emulator.wait_for_tags("u2")
        yield imtag.add("last", ["a"])

    assert client.bulk(slow(), linger=0.005).finish().done == 4


def test_outcomes_arrive_while_the_input_goes_on(client: imtag.Client) -> None:
    pulled, had, most_ahead = 0, 0, 0

    def counted() -> Iterator[imtag.Change]:
        nonlocal pulled, most_ahead
        for change in users(5000):
            pulled += 1
            most_ahead = max(most_ahead, pulled - had)
            yield change

    for outcome in client.bulk(counted(), capacity=200, linger=0):
        assert outcome.error is None
        had += 1
    assert had == 5000
    assert most_ahead < 5000


def test_progress_is_called_on_the_calling_thread_with_the_counts(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 500})
    seen: list[tuple[int, imtag.Summary]] = []
    run = client.bulk(users(3), progress=lambda summary: seen.append((threading.get_ident(), summary)))
    assert run.finish().done == 3
    assert {thread for thread, _ in seen} == {threading.get_ident()}
    assert (3, 3) in {(summary.taken, summary.unsettled) for _, summary in seen}


def test_progress_that_returns_true_ends_the_run_and_requests_under_way_complete(
    emulator: Emulator, client: imtag.Client
) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 800})

    def changes() -> Iterator[imtag.Change]:
        yield from users(100)
        emulator.wait_for_arrivals(1)
        yield imtag.add("later", ["a"])

    run = client.bulk(changes(), linger=60, progress=lambda _: True)
    outcomes: list[imtag.Outcome] = []
    with pytest.raises(imtag.Cancelled):
        outcomes.extend(run)
    assert len(outcomes) == 101
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.change.account for outcome in failed] == ["later"]
    assert isinstance(failed[0].error, imtag.Cancelled)
    assert failed[0].error.effect is imtag.Effect.NOT_APPLIED
    assert emulator.tags("u99") == ["a"]
    assert emulator.tags("later") == []


@pytest.mark.parametrize("by", ["iterable", "progress"])
def test_an_exception_of_the_caller_ends_the_run_and_leaves_no_change_without_outcome(
    emulator: Emulator, client: imtag.Client, by: str
) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 500})

    def changes() -> Iterator[imtag.Change]:
        yield from users(100)
        emulator.wait_for_arrivals(1)
        yield imtag.add("later", ["a"])
        if by == "iterable":
            raise LookupError("mine")
        yield from users(10_000_000)

    def progress(_: imtag.Summary) -> None:
        if by == "progress":
            raise LookupError("mine")

    run = client.bulk(changes(), linger=60, progress=progress)
    with pytest.raises(LookupError, match="mine"):
        run.finish()
    assert emulator.tags("u99") == ["a"]  # it was under way
    assert run.summary.unsettled == 0
    outcomes = {outcome.change.account: outcome.error for outcome in run}
    assert [account for account, error in outcomes.items() if error is None] == [f"u{number}" for number in range(100)]
    assert isinstance(outcomes["later"], imtag.Cancelled)
    assert emulator.tags("later") == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: None, "changes[2]: NoneType, expected imtag.Change: write imtag.add(account, [tag, ...])"),
        (lambda: 7, "changes[2]: int, expected imtag.Change: write imtag.add(account, [tag, ...])"),
        (lambda: b"u", "changes[2]: bytes, expected imtag.Change: write imtag.add(account, [tag, ...])"),
        (lambda: ("u",), "changes[2]: tuple, expected imtag.Change: write imtag.add(account, [tag, ...])"),
        (lambda: {"u"}, "changes[2]: set, expected imtag.Change: write imtag.add(account, [tag, ...])"),
        (lambda: imtag.add(float("nan"), ["a"]), "changes[2].account: float, expected str"),  # type: ignore[arg-type]
        (lambda: imtag.clear(None), "changes[2].account: NoneType, expected str"),  # type: ignore[arg-type]
        (lambda: imtag.add("u", "vip"), "changes[2].tags: str, expected several: write [tag] in place of tag"),
        (lambda: imtag.remove("u", None), "changes[2].tags: NoneType, expected an iterable of str"),  # type: ignore[arg-type]
        (lambda: imtag.add("u", ["a", float("nan")]), "changes[2].tags[1]: float, expected str"),  # type: ignore[list-item]
    ],
)
def test_a_row_that_is_no_change_is_named_and_loses_none_before_it(
    emulator: Emulator, client: imtag.Client, wrong: Callable[[], imtag.Change], said: str
) -> None:
    def changes() -> Iterator[imtag.Change]:
        yield imtag.add("u0", ["a"])
        emulator.wait_for_tags("u0")
        yield imtag.add("", ["a"])
        yield wrong()
        raise AssertionError("the input goes on")

    run = client.bulk(changes(), linger=0.005)
    outcomes: list[imtag.Outcome] = []
    with pytest.raises(TypeError) as raised:
        outcomes.extend(run)
    assert str(raised.value) == said
    assert {index: type(error) for index, _, error in [*outcomes, *run]} == {
        0: type(None),
        1: imtag.ChangeError.that_is(imtag.InvalidRequest),
    }
    assert run.summary.unsettled == 0


@pytest.mark.parametrize("number", [0, 130])
def test_a_row_of_a_list_that_is_no_change_is_named(client: imtag.Client, number: int) -> None:
    changes: list[Any] = [*users(number), ("u", ["a"]), *users(3)]
    run = client.bulk(changes)
    with pytest.raises(TypeError, match=rf"changes\[{number}\]: tuple, expected imtag\.Change: write imtag\.add"):
        run.finish()
    failed = len(run.failures)
    failed += sum(outcome.error is not None for outcome in run)  # those that finish() had not reached
    assert failed + run.summary.done == number


def test_an_input_that_is_no_iterable_of_changes_is_refused(client: imtag.Client) -> None:
    with pytest.raises(TypeError, match="changes: int, expected an iterable"):
        client.bulk(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"changes: Change, expected several: write \[change\]"):
        client.bulk(imtag.clear("u"))  # type: ignore[arg-type]


def test_the_error_of_a_change_names_its_row(client: imtag.Client) -> None:
    run = client.bulk([imtag.add("u0", ["a"]), imtag.add("", ["a"]), imtag.add("u2", [""])])
    run.finish()
    assert {(error.index, error.account) for error in run.failures} == {(1, ""), (2, "u2")}
    for error in run.failures:
        assert pickle.loads(pickle.dumps(error)).index == error.index
    with client.batcher() as batcher, pytest.raises(imtag.ChangeError) as raised:
        batcher.add_tag("", ["a"])
    assert raised.value.index is None


def test_a_change_of_wrong_types_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"operation: int, expected imtag\.Operation"):
        imtag.Change(1, "u", ("a",))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tags: str, expected several"):
        imtag.Change(imtag.Operation.ADD, "u", "vip")
    with pytest.raises(TypeError, match="account: NoneType, expected str"):
        imtag.add("u", ["a"])._replace(account=None)  # type: ignore[arg-type]
    assert imtag.add("u", {"a"}).tags == ("a",)
    assert imtag.add("u", ["a"])._replace(account="v") == imtag.Change(imtag.Operation.ADD, "v", ["a"])


def test_one_text_in_place_of_several_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match=r"tags: str, expected several: write \[tag\] in place of tag"):
        imtag.add("u", "vip")
    with pytest.raises(TypeError, match=r"tags\[1\]: int, expected str"):
        imtag.remove("u", ["a", 1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="account: list, expected str"):
        imtag.clear(["u"])  # type: ignore[arg-type]


def test_a_run_of_a_rejected_app_ends_early_and_says_why(emulator: Emulator) -> None:
    pulled = []
    with emulator.client(secret_key="0" * 64) as client:
        run = client.bulk(pulled.append(change) or change for change in users(10**6))  # type: ignore[func-returns-value]
        outcomes: list[imtag.Outcome] = []
        with pytest.raises(imtag.ServiceError) as ended:
            outcomes.extend(run)
    assert ended.value.code == 70009
    assert not isinstance(ended.value, imtag.ChangeError)
    assert len(pulled) == len(outcomes) < 10**6
    assert all(change is pulled[index] for index, change, _ in outcomes)
    assert run.summary.taken + run.summary.not_taken == len(pulled)
    for *_, error in outcomes:
        assert isinstance(error, imtag.ServiceError)
        assert (error.code, error.effect) == (70009, imtag.Effect.NOT_APPLIED)


def test_a_cancel_of_another_thread_ends_the_run_and_a_second_one_requests_under_way(
    emulator: Emulator, client: imtag.Client
) -> None:
    emulator.faults("add", HANGS)
    run = client.bulk(users(100))

    def cancel() -> None:
        emulator.wait_for_arrivals(1)
        run.cancel()
        run.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(imtag.Cancelled):
        run.finish()
    thread.join(20)
    assert {error.effect for error in run.failures} == {imtag.Effect.POSSIBLY_APPLIED}
    assert len(run.failures) == 100


def test_a_run_that_is_dropped_with_changes_in_it_says_how_many(client: imtag.Client) -> None:
    invalid = imtag.add("", [])  # has its outcome at once
    run = client.bulk(itertools.chain(users(3), itertools.repeat(invalid)), linger=60)
    next(run)
    with pytest.warns(ResourceWarning, match="a bulk run was dropped with 3 changes that have no outcome"):
        del run


@pytest.mark.parametrize("kind", [list, iter, tuple])
def test_a_run_that_is_never_iterated_says_that_nothing_was_sent(
    emulator: Emulator, client: imtag.Client, kind: type
) -> None:
    said = r"a bulk run was never started, and none of its changes was sent: iterate it, or call its finish\(\)"
    with pytest.warns(ResourceWarning, match=said):
        client.bulk(kind([imtag.add("u", ["a"])]))
    with pytest.warns(ResourceWarning, match=said), client.bulk(users(1)):
        pass
    assert emulator.arrivals() == 0


def test_a_run_that_has_nothing_to_do_or_is_closed_gives_no_warning(client: imtag.Client) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.bulk([])
        client.bulk(iter(()))
        client.bulk(users(3)).close()
        with pytest.raises(LookupError), client.bulk(users(3)):
            raise LookupError


def test_a_run_that_is_dropped_before_the_end_of_its_input_says_so(client: imtag.Client) -> None:
    run = client.bulk(imtag.add("", []) for _ in range(1000))  # each has its outcome at once
    next(run)
    with pytest.warns(ResourceWarning, match="a bulk run was dropped before the end of its input"):
        del run


def test_a_run_that_its_own_progress_function_refers_to_is_freed(client: imtag.Client) -> None:
    def begun() -> weakref.ref[imtag.Bulk]:
        run = client.bulk([imtag.add("u", [])], progress=lambda _: run.cancel())
        run.finish()
        return weakref.ref(run)

    left = begun()
    gc.collect()
    assert left() is None


def test_runs_and_outcomes_leave_no_memory_behind(client: imtag.Client) -> None:
    def work() -> None:
        for _ in range(5):
            run = client.bulk(imtag.add(f"u{number}", ["x" * 400]) for number in range(4000))
            assert run.finish().failed == 4000

    work()
    before = resident()
    work()
    assert resident() - before < 5_000_000  # of 8 MB of tags alone, and errors of some 2 KB each


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * resource.getpagesize()


def test_with_and_close_end_a_run_without_a_warning(emulator: Emulator, client: imtag.Client) -> None:
    emulator.faults("add", HANGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with client.bulk([imtag.add("u0", [])] + [imtag.add("u1", ["a"])] * 2, linger=60) as run:
            next(run)
        assert list(run) == []
        run.close()
        run.cancel()
    assert run.summary.failed == 1


def test_a_run_outlives_its_client(emulator: Emulator) -> None:
    with emulator.client() as client:
        run = client.bulk(users(3))
    assert run.finish().done == 3
    with pytest.raises(imtag.ClosedError):
        client.bulk(users(3))


def test_a_change_can_be_compared_shown_and_pickled() -> None:
    change = imtag.add("u", ["a"])
    assert pickle.loads(pickle.dumps(change)) == change == imtag.add("u", ("a",))
    assert str(imtag.clear("u").operation) == "clear"
    assert copy.copy(change).operation is imtag.Operation.ADD
