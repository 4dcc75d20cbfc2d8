from __future__ import annotations

import pickle

import pytest
from emulator import HANGS, Emulator
from test_fork import in_child

import imtag


def test_a_clients_figures_have_names_labels_and_numbers(client: imtag.Client, emulator: Emulator) -> None:
    client.add_tag({"u": ["a"]})
    emulator.faults("add", {"kind": "leave_out", "accounts": ["v"], "code": 70107, "text": ""})
    with pytest.raises(imtag.PartialFailure):
        client.add_tag({"u": ["a"], "v": ["a"]})
    client.get_tag(["u"])
    emulator.faults("add", HANGS)
    with pytest.raises(imtag.TimeoutError):
        client.add_tag({"u": ["a"]}, timeout=0.2, attempt_timeout=0.2)
    stats = client.stats()
    assert stats.value("imtag_calls_total", operation="add", outcome="done") == 1
    assert stats.value("imtag_calls_total", operation="add", outcome="partial") == 1
    assert stats.value("imtag_calls_total", operation="add", outcome="timeout") == 1
    assert stats.value("imtag_calls_total", operation="add") == 3
    assert stats.value("imtag_calls_total", outcome="done") == 2
    assert stats.value("imtag_calls_total") == 4
    assert stats.value("imtag_usersigs_total") == 1
    assert stats.value("imtag_in_outage") == 0
    first = stats.figures[0]
    assert first.labels["operation"] == "add"
    done = next(it for it in stats if it.labels == {"operation": "add", "outcome": "done"})
    assert done == imtag.Figure("imtag_calls_total", done.labels, "Calls that have ended.", is_counter=True, value=1.0)
    in_outage = next(it for it in stats if it.name == "imtag_in_outage")
    assert (in_outage.labels, in_outage.is_counter) == ({}, False)
    assert len(stats) == len(stats.figures) > 20


def test_figures_are_text_for_prometheus(client: imtag.Client) -> None:
    client.add_tag({"u": ["a"]})
    lines = client.stats().text.splitlines()
    assert "# TYPE imtag_calls_total counter" in lines
    assert 'imtag_calls_total{operation="add",outcome="done"} 1' in lines
    assert "imtag_in_outage 0" in lines


def test_a_figure_that_there_is_not_is_a_key_error(client: imtag.Client) -> None:
    stats = client.stats()
    for name, labels in {"imtag_calls": {}, "imtag_calls_total": {"outcome": "lost"}}.items():
        with pytest.raises(KeyError, match=name):
            stats.value(name, **labels)


def test_figures_can_be_kept_pickled_and_compared(client: imtag.Client) -> None:
    stats = client.stats()
    assert pickle.loads(pickle.dumps(stats)) == stats
    assert repr(stats) == f"<imtag.Stats of {len(stats)} figures>"
    client.add_tag({"u": ["a"]})
    assert client.stats() != stats


def test_the_figures_of_a_run_are_there_before_during_and_after_it(client: imtag.Client) -> None:
    run = client.bulk(imtag.add(f"user-{number}", ["a"]) for number in range(250))
    assert run.stats().value("imtag_bulk_changes_taken_total") == 0
    next(run)
    assert run.stats().value("imtag_bulk_changes_taken_total") > 0
    run.finish()
    stats = run.stats()
    assert stats.value("imtag_bulk_changes_taken_total") == stats.value("imtag_bulk_changes_done_total") == 250
    assert stats.value("imtag_bulk_request_users_total") == 250
    assert stats.value("imtag_bulk_requests_total") == run.summary.requests
    assert stats.value("imtag_bulk_queued") == stats.value("imtag_bulk_unsettled") == 0
    assert client.stats().value("imtag_calls_total", operation="add") == run.summary.requests


def test_the_figures_of_a_batcher_outlive_its_close(client: imtag.Client, emulator: Emulator) -> None:
    emulator.faults("add", {"kind": "delay", "delay_ms": 300})
    with client.batcher(linger=0) as batcher:
        future = batcher.submit(imtag.add("u", ["a"]))
        emulator.wait_for_arrivals(1)
        under_way = batcher.stats()
        assert under_way.value("imtag_batcher_unsettled") == 1
        assert under_way.value("imtag_batcher_oldest_seconds") > 0
        future.result(20)
    assert batcher.stats().value("imtag_batcher_changes_done_total") == 1


def test_a_closed_client_has_no_figures(client: imtag.Client) -> None:
    client.close()
    with pytest.raises(imtag.ClosedError):
        client.stats()


def test_a_child_counts_its_own(client: imtag.Client) -> None:
    client.add_tag({"u": ["a"]})
    run = client.bulk([imtag.add("u", ["a"])])
    next(run)
    batcher = client.batcher()

    def child() -> bool:
        for of in (run, batcher):
            with pytest.raises(imtag.Misuse, match="belongs to the process that this one was forked from"):
                of.stats()
        run.close()
        before = client.stats().value("imtag_calls_total")
        client.add_tag({"u": ["a"]})
        return (before, client.stats().value("imtag_calls_total")) == (0, 1)

    in_child(child)
    run.finish()
    batcher.close()
    assert client.stats().value("imtag_calls_total") == 2
