"""Finds libimtag, loads it, and refuses another version, all at import.

The library is the one in the package, or the one that IMTAG_LIBRARY names. Below 1.0 the package needs a library of the
same minor version, and of the same or a later patch level.
"""

from __future__ import annotations

import ctypes
import os
import sys

from ._prototypes import declare
from ._version import __version__

LIBRARY = "IMTAG_LIBRARY"


def _load() -> ctypes.CDLL:
    path, origin = _path()
    if not os.path.exists(path):  # noqa: PTH110
        raise ImportError(
            f"imtag: there is no library at {path} ({origin}); reinstall imtag, or set {LIBRARY} to a libimtag",
            path=path,
        )
    try:
        library = ctypes.CDLL(path)
        library.im_version.restype = ctypes.c_char_p
        found: str = library.im_version().decode()
    except (OSError, AttributeError) as error:
        raise ImportError(f"imtag: {path} ({origin}) is no libimtag: {error}", path=path) from error
    if not _fits(found):
        raise ImportError(
            f"imtag {__version__} cannot use {path} ({origin}), which is libimtag {found}: "
            "install both in the same version",
            path=path,
        )
    try:
        declare(library)
    except AttributeError as error:
        raise ImportError(f"imtag: {path} ({origin}) lacks a function: {error}", path=path) from error
    return library


def _path() -> tuple[str, str]:
    """Where the library is, and why there. Without pathlib, which is slow to import."""
    named = os.environ.get(LIBRARY)
    if named:
        return os.path.join(os.getcwd(), named), f"named by {LIBRARY}"  # noqa: PTH109, PTH118
    name = "libimtag.dylib" if sys.platform == "darwin" else "libimtag.so"
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    return os.path.join(folder, name), "where the package has it"  # noqa: PTH118


def _fits(found: str) -> bool:
    """Whether a library of version `found` has the interface that this package needs."""
    return _series(found) == _series(__version__) and _patch(found) >= _patch(__version__)


def _series(version: str) -> list[str]:
    return version.split(".")[:2]


def _patch(version: str) -> int:
    digits = "".join(version.split(".")[2:3]).split("-")[0]
    return int(digits) if digits.isdigit() else 0


lib = _load()


def version() -> str:
    """Return the version of the loaded libimtag, such as 0.1.0."""
    found: bytes = lib.im_version()
    return found.decode()
