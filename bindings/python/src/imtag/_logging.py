"""Makes records of ``logging`` from those of the library."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from ._library import lib

# logging's levels, by the library's, from IM_LOG_ERROR to IM_LOG_TRACE
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: 5}
_PLAIN = re.compile(r"[\w./:+-]+")


class Logger:
    """A logger, and the least level of the records that it is to get."""

    __slots__ = ("_is_asked_for", "_level", "_logger", "library_level", "name")

    def __init__(self, level: int | str | None, logger: str | logging.Logger) -> None:
        if not isinstance(logger, (str, logging.Logger)):
            raise TypeError(f"logger: {type(logger).__name__}, expected str or logging.Logger")
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.name = self._logger.name
        self._is_asked_for = level is not None
        self._level = self._logger.getEffectiveLevel() if level is None else _number_of(level)
        self.library_level = max((its for its, number in _LEVELS.items() if number >= self._level), default=1)

    def log(self, record: Any) -> None:
        """Pass an im_log_record on. Nothing is raised."""
        level = _LEVELS[lib.im_log_record_level(record)]
        if level < self._level or not self._takes(level):
            return
        try:
            self._logger.handle(self._made(record, level))
        except BaseException:  # the next record is to come all the same
            self.show_exception(_event(record))

    def show_exception(self, message: str) -> None:
        """Show an exception on stderr, as logging does; logging.raiseExceptions = False ends that."""
        logging.Handler().handleError(logging.makeLogRecord({"msg": message}))

    def _takes(self, level: int) -> bool:
        """Whether the logger takes records of a level: by its own, or else by the one that was asked for."""
        if self._is_asked_for and self._logger.level == logging.NOTSET:
            return level > self._logger.manager.disable
        return self._logger.isEnabledFor(level)

    def _made(self, record: Any, level: int) -> logging.LogRecord:
        event = _event(record)
        fields = json.loads(lib.im_log_record_fields(record))
        text = " ".join(f"{name}={_text(value)}" for name, value in fields.items())
        # the template is the same for each record of an event: some tools group them by it
        template, arguments = (event.replace("%", "%%") + ": %s", (text,)) if fields else (event, ())
        made = self._logger.makeRecord(self.name, level, "imtag", 0, template, arguments, None)
        _set_time(made, lib.im_log_record_time_us(record))
        made.__dict__.update({f"imtag_{name}": value for name, value in {"event": event, **fields}.items()})
        return made


def _number_of(level: int | str) -> int:
    if isinstance(level, str):
        found = logging.getLevelName(level)
        if isinstance(found, int):
            return found
        raise ValueError(f"level: {level!r}, expected a level of logging, such as 'DEBUG'")
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level: {type(level).__name__}, expected int or str")
    return level


def _event(record: Any) -> str:
    event: str = lib.im_log_record_message(record).decode()
    return event


def _set_time(made: logging.LogRecord, time_us: int) -> None:
    """Set when it happened; the record was made a little later."""
    later = made.created - time_us / 1e6
    made.created -= later
    made.relativeCreated -= later * 1000
    made.msecs = float(time_us // 1000 % 1000)


def _text(value: object) -> str:
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value)
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)
