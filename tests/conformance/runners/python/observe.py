"""What a case that is observed answers too: the figures, and the log's records."""

from __future__ import annotations

import logging
from typing import Any

import imtag

_LEVELS = {logging.ERROR: "error", logging.WARNING: "warn", logging.INFO: "info", logging.DEBUG: "debug", 5: "trace"}
_PREFIX = "imtag_"


class Observed(logging.Handler):
    """The figures and records of one case, from its making to its end."""

    def __init__(self) -> None:
        super().__init__()
        self._figures: dict[str, float] = {}
        self._events: list[dict[str, Any]] = []
        logger = logging.Logger("conformance")
        logger.addHandler(self)
        self._log = imtag.log_to_logging(1, logger=logger)

    def add(self, stats: imtag.Stats) -> None:
        """Keep the figures of a client, a run or a batcher."""
        for figure in stats:
            labels = ",".join(f'{name}="{value}"' for name, value in figure.labels.items())
            self._figures[f"{figure.name}{{{labels}}}" if labels else figure.name] = figure.value

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        fields = {name[len(_PREFIX) :]: value for name, value in vars(record).items() if name.startswith(_PREFIX)}
        self._events.append({"level": _LEVELS[record.levelno], "message": fields.pop("event"), "fields": fields})

    def end(self) -> dict[str, Any]:
        """Return all of it, once the last record has come."""
        self._log.close()
        return {"stats": self._figures, "events": self._events}
