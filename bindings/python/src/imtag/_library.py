"""Finds libimtag, loads it, and refuses another version, all at import.

The library is the one in the package, or the one that IMTAG_LIBRARY names. The package needs a library of its version,
or of a later one: from 1.0 up of the same major version, below of the same minor version.
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


def _fits(found: str, built: str = __version__) -> bool:
    """Whether a library of version `found` has the interface that a package of version `built` needs."""
    library, package = _numbers(found), _numbers(built)
    kept = 1 if package[0] > 0 else 2
    return library[:kept] == package[:kept] and library >= package


def _numbers(version: str) -> list[int]:
    parts = version.split("-")[0].split(".")
    return [int(part) if part.isdigit() else -1 for part in parts[:3]]


lib = _load()


def version() -> str:
    """Return the version of the loaded libimtag, such as 0.1.0."""
    found: bytes = lib.im_version()
    return found.decode()
