"""Passes settings of clients, and options of bulk runs and batchers, to the library, which has the defaults."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import c_void_p
from typing import TYPE_CHECKING, Any, NamedTuple

from ._call import milliseconds
from ._credentials import CredentialCallback, Supplier
from ._errors import SettingsError
from ._library import lib
from ._marshal import Text, encoded
from ._prototypes import string
from ._raise import check
from ._record import record

if TYPE_CHECKING:
    from typing_extensions import Self  # type checkers have it

_SIZE_BITS = ctypes.sizeof(ctypes.c_size_t) * 8
_TEXTS = ("secret_key", "usersig", "region", "endpoint", "spare_endpoint", "proxy", "generation", "roots")
_WHEN_FULL = {"wait": 1, "fail": 2}  # IM_WAIT, IM_FAIL


@record
class Settings:
    """The settings that ``imtag.Client`` takes. None is not set."""

    sdkappid: int | None
    identifier: Text | None
    secret_key: Text | None
    usersig: Text | None
    credential_callback: CredentialCallback | None
    region: Text | None
    endpoint: Text | None
    spare_endpoint: Text | None
    proxy: Text | None
    generation: Text | None
    calls_per_second: float | None
    fresh_start: bool | None
    timeout: float | None
    connect_timeout: float | None
    max_attempts: int | None
    roots: Text | None
    ca_file: str | os.PathLike[str] | None
    limits: Mapping[str, int] | None

    __repr__ = object.__repr__  # it must show no secret

    def client(self, config: Config, supplier: Supplier | None) -> Any:
        """Make an im_client of a config and these settings, which take the place of what it has."""
        self._check_choices()
        client = c_void_p()
        self._set(config.pointer, supplier)
        check(lib.im_client_new, config.pointer, ctypes.byref(client))
        return client

    def _check_choices(self) -> None:
        """Refuse settings that exclude each other: the library uses the last, but keywords have no order."""
        for names in (("secret_key", "usersig", "credential_callback"), ("region", "endpoint"), ("roots", "ca_file")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise SettingsError(f"{' and '.join(given)} are both set: set one of them", remedy="set one of them")

    def _set(self, config: Any, supplier: Supplier | None) -> None:
        # to the library 0 and "" are not set; it names all settings that are needed and not set
        sdkappid = 0 if self.sdkappid is None else number(self.sdkappid, "sdkappid", 32)
        identifier = b"" if self.identifier is None else encoded(self.identifier, "identifier")
        lib.im_config_set_app(config, sdkappid, string(identifier))
        if supplier is not None:
            lib.im_config_set_credential_callback(config, supplier.callback, None, None)
        for name in _TEXTS:
            self._set_text(config, name)
        if self.calls_per_second is not None:
            lib.im_config_set_calls_per_second(config, decimal(self.calls_per_second, "calls_per_second"))
        if self.max_attempts is not None:
            lib.im_config_set_max_attempts(config, number(self.max_attempts, "max_attempts", 32))
        if self.fresh_start is not None:
            if not isinstance(self.fresh_start, bool):
                raise TypeError(f"fresh_start: {type(self.fresh_start).__name__}, expected bool")
            lib.im_config_set_fresh_start(config, self.fresh_start)
        for name in ("timeout", "connect_timeout"):
            value = milliseconds(getattr(self, name), name)
            if value is not None:
                getattr(lib, f"im_config_set_{name}_ms")(config, value)
        if self.ca_file is not None:
            if not isinstance(self.ca_file, (str, bytes, os.PathLike)):
                raise TypeError(f"ca_file: {type(self.ca_file).__name__}, expected str or os.PathLike")
            path = os.fsencode(self.ca_file)
            lib.im_config_set_ca_file(config, string(path))
        if self.limits is not None and not isinstance(self.limits, Mapping):
            kind = type(self.limits).__name__
            raise TypeError(f'limits: {kind}, expected a mapping: write {{"tag_bytes": 60}}')
        for limit, value in (self.limits or {}).items():
            name_of_limit = encoded(limit, "limits")
            lib.im_config_set_limit(config, string(name_of_limit), number(value, f"limits[{limit!r}]", _SIZE_BITS))

    def _set_text(self, config: Any, name: str) -> None:
        if getattr(self, name) is not None:
            # if this fails, no local variable has the text, as tracebacks may show locals
            text = encoded(getattr(self, name), name)
            getattr(lib, f"im_config_set_{name}")(config, string(text))


class Config:
    """An im_config, freed when it is garbage."""

    __slots__ = ("pointer",)

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer

    @classmethod
    def of_environment(cls, profile: Text | None) -> Self:
        """Read the environment and the settings file."""
        found = c_void_p()
        name = b"" if profile is None else encoded(profile, "profile")
        check(lib.im_config_from_env, string(name), ctypes.byref(found))
        return cls(found)

    def warnings(self) -> tuple[str, ...]:
        """Return what is probably a mistake there."""
        count = lib.im_config_warning_count(self.pointer)
        return tuple(lib.im_config_warning(self.pointer, at).decode() for at in range(count))

    def __del__(self, free: Any = lib.im_config_free) -> None:
        free(self.pointer)


class Options(NamedTuple):
    """The options that ``client.bulk`` and ``client.batcher`` take. None is not set."""

    linger: float | None
    capacity: int | None
    timeout: float | None
    attempt_timeout: float | None
    late_window: float | None
    when_full: str | None = None

    def set(self, kind: str, handle: Any) -> None:
        """Set them: `kind` is im_bulk or im_batcher."""
        for name in ("linger", "timeout", "attempt_timeout", "late_window"):
            value = milliseconds(getattr(self, name), name)
            if value is not None:
                getattr(lib, f"{kind}_set_{name}_ms")(handle, value)
        if self.capacity is not None:
            getattr(lib, f"{kind}_set_capacity")(handle, number(self.capacity, "capacity", _SIZE_BITS))
        if self.when_full is not None:
            if self.when_full not in _WHEN_FULL:
                choices = " or ".join(map(repr, _WHEN_FULL))
                raise SettingsError(f"when_full: {self.when_full!r}, expected {choices}", remedy=f"set {choices}")
            getattr(lib, f"{kind}_set_when_full")(handle, _WHEN_FULL[self.when_full])


def decimal(value: object, name: str) -> float:
    """Return a float; the library checks its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}: {type(value).__name__}, expected int or float")
    try:
        return float(value)
    except OverflowError:  # an int of more than 308 digits
        return float("inf") if value > 0 else float("-inf")


def number(value: object, name: str, bits: int) -> int:
    """Return a number that fits the library's type: ctypes would silently truncate another."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: {type(value).__name__}, expected int")
    if not 0 <= value < 2**bits:
        most = 2**bits - 1
        raise SettingsError(f"{name}: {value}, expected 1 to {most}", remedy=f"set {name} to 1 to {most}")
    return value
