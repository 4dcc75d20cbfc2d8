"""Figures of a client, a bulk run or a batcher, copied from an im_stats."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import c_void_p
from typing import Any

from ._library import lib
from ._raise import check
from ._record import record


@record
class Figure:
    """A number of ``Stats``."""

    name: str
    """As Prometheus has it: ``imtag_calls_total``."""
    labels: dict[str, str]
    """What tells it from others of its name: ``{"operation": "add", "outcome": "done"}``."""
    help: str
    """What it counts, in a sentence."""
    is_counter: bool
    """Whether it only grows; else it is a gauge."""
    value: float
    """Times are in seconds."""


@record
class Stats:
    """Figures, as they were when they were asked for. It iterates over them; those of one name stand together.

    Names and labels stay, and new figures may come with any version. They can be pickled.
    """

    figures: tuple[Figure, ...]
    text: str
    """All of them, in the form that Prometheus reads from a page."""

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the figures of a name that have these labels.

        ``value("imtag_calls_total", operation="add", outcome="done")``; without ``operation`` of all operations.
        KeyError: there is none. A figure that has not counted yet is 0, and is there.
        """
        values = [it.value for it in self.figures if it.name == name and labels.items() <= it.labels.items()]
        if not values:
            raise KeyError(f"{name} {labels}" if labels else name)
        return sum(values)

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def __repr__(self) -> str:
        return f"<imtag.Stats of {len(self)} figures>"


def read_stats(function: Any, handle: Any) -> Stats:
    """Copy the figures that im_client_stats, im_bulk_stats or im_batcher_stats returns for a handle."""
    stats = c_void_p()
    try:
        check(function, handle, ctypes.byref(stats))
        figures = tuple(_figure(stats, at) for at in range(lib.im_stats_count(stats)))
        return Stats(figures, lib.im_stats_text(stats).decode())
    finally:
        lib.im_stats_free(stats)


def _figure(stats: Any, at: int) -> Figure:
    return Figure(
        name=lib.im_stats_name(stats, at).decode(),
        labels=_labels(lib.im_stats_labels(stats, at).decode()),
        help=lib.im_stats_help(stats, at).decode(),
        is_counter=lib.im_stats_is_counter(stats, at),
        value=lib.im_stats_value(stats, at),
    )


def _labels(text: str) -> dict[str, str]:
    """Read ``operation="add",outcome="done"``: names and values are of small letters and _."""
    pairs = (label.split("=") for label in text.split(",") if label)
    return {name: value.strip('"') for name, value in pairs}
