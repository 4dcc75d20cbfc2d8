from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from emulator import REPOSITORY

import imtag
from imtag import _prototypes

PACKAGE = Path(imtag.__file__).parent


def import_error(library: str | None, paths: tuple[Path, ...] = ()) -> str:
    """The one-line error of importing the package with another library."""
    environment = {name: value for name, value in os.environ.items() if name != "IMTAG_LIBRARY"}
    if library is not None:
        environment["IMTAG_LIBRARY"] = library
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    command = [sys.executable, "-c", "import imtag; print(imtag.version())"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    return last[len("ImportError: ") :]


def stub(folder: Path, version: str) -> Path:
    """A library that has only a version."""
    source, library = folder / "stub.c", folder / f"stub-{version}.so"
    source.write_text(f'const char *im_version(void) {{ return "{version}"; }}\n', encoding="utf-8")
    compiled = subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=False, timeout=60)
    assert compiled.returncode == 0
    return library


def test_a_missing_library_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    missing = tmp_path / "libimtag.so"
    assert import_error(str(missing)) == (
        f"imtag: there is no library at {missing} (named by IMTAG_LIBRARY); "
        "reinstall imtag, or set IMTAG_LIBRARY to a libimtag"
    )


def test_a_package_without_its_library_says_where_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "imtag").mkdir()
    for file in PACKAGE.glob("*.py"):
        (tmp_path / "imtag" / file.name).write_bytes(file.read_bytes())
    said = import_error(None, (tmp_path,))
    place = tmp_path / "imtag" / "libimtag.so"
    assert said.startswith(f"imtag: there is no library at {place} (where the package has it); ")


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "libimtag.so"
    text.write_text("no library", encoding="utf-8")
    assert import_error(str(text)).startswith(f"imtag: {text} (named by IMTAG_LIBRARY) is no libimtag: ")


@pytest.mark.parametrize("version", ["0.0.9", "0.2.0", "1.1.0"])
def test_a_library_of_another_version_is_refused(tmp_path: Path, version: str) -> None:
    library = stub(tmp_path, version)
    assert import_error(str(library)) == (
        f"imtag {imtag.__version__} cannot use {library} (named by IMTAG_LIBRARY), which is libimtag {version}: "
        "install both in the same version"
    )


def test_a_later_patch_level_is_accepted_and_a_missing_function_is_named(tmp_path: Path) -> None:
    library = stub(tmp_path, "0.1.99")
    assert "lacks a function" in import_error(str(library))


def test_importing_loads_few_modules_and_none_that_is_only_needed_later() -> None:
    few = "__future__, array, atexit, collections.abc, contextlib, ctypes, enum, threading, typing, warnings, weakref"
    program = f"import sys, {few}; had = set(sys.modules); import imtag; print(*sorted(set(sys.modules) - had))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert [name for name in run.stdout.split() if name.split(".")[0] != "imtag"] == []


@pytest.mark.parametrize(
    ("found", "built", "fits"),
    [
        ("0.1.0", "0.1.0", True),
        ("0.1.10", "0.1.9", True),
        ("0.1.8", "0.1.9", False),
        ("0.2.0", "0.1.0", False),
        ("0.10.0", "0.1.0", False),
        ("1.1.0", "0.1.0", False),
        ("0.1.1-rc.1", "0.1.0", True),
        ("1.2.4", "1.2.3", True),
        ("1.3.0", "1.2.3", True),
        ("1.10.0", "1.9.3", True),
        ("1.2.2", "1.2.3", False),
        ("1.1.9", "1.2.3", False),
        ("2.2.3", "1.2.3", False),
        ("a word", "0.1.0", False),
        ("", "0.1.0", False),
        ("0.1", "0.1.0", False),
    ],
)
def test_a_library_fits_if_it_is_newer_in_the_same_major_version_and_below_one_in_the_same_minor_version(
    found: str, built: str, *, fits: bool
) -> None:
    assert imtag._library._fits(found, built) is fits


def test_package_library_and_workspace_have_one_version() -> None:
    manifest = (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.*)"$', manifest, re.MULTILINE)
    assert found is not None
    assert imtag.__version__ == imtag.version() == found[1]


def test_the_prototypes_are_those_of_the_header() -> None:
    header = (REPOSITORY / "include" / "imtag.h").read_text(encoding="utf-8")
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    declared = re.findall(r"^(?:const )?\w+ \*?(im_\w+)\(([^;]*)\);$", header, re.MULTILINE)
    parameters = {name: [] if takes == "void" else takes.split(",") for name, takes in declared}
    ours = {name: len(takes) for name, (_, takes) in _prototypes.PROTOTYPES.items()}
    assert ours == {name: len(parameters[name]) for name in ours}
    for number in ("IM_TIMEOUT", "IM_CANCELLED"):
        assert f"#define {number} {getattr(_prototypes, number)}\n" in header
    one_by_one = {name[: -len("_flat")] for name in ours if name.endswith("_flat")}
    one_by_one -= {"im_bulk_push", "im_batcher_submit"}
    one_by_one |= {"im_bulk_add_tag", "im_bulk_remove_tag", "im_bulk_clear_tags", "im_bulk_replace_tags"}
    one_by_one |= {"im_batcher_submit_add_tag", "im_batcher_submit_remove_tag", "im_batcher_submit_replace_tags"}
    one_by_one |= {"im_completions_count", "im_completions_id", "im_batcher_refuse_flat"}
    assert set(parameters) - set(ours) == one_by_one | {"im_str_from", "im_config_copy"}
    for name, (_, takes) in _prototypes.PROTOTYPES.items():
        for parameter, kind in zip(parameters[name], takes):
            assert expected(parameter) == kind, (name, parameter)


def expected(parameter: str) -> object:
    """The ctypes type of a parameter in the header."""
    parameter = " ".join(parameter.split())
    if "*" in parameter:
        return ctypes.c_char_p if parameter == "const char *text" else ctypes.c_void_p
    return {
        "im_str": _prototypes.Str,
        "bool": ctypes.c_bool,
        "size_t": ctypes.c_size_t,
        "uint32_t": ctypes.c_uint32,
        "uint64_t": ctypes.c_uint64,
        "int32_t": ctypes.c_int32,
        "double": ctypes.c_double,
        "im_credential_callback": _prototypes.CREDENTIAL_CALLBACK,
        "im_interrupt": _prototypes.INTERRUPT,
        "im_progress": _prototypes.PROGRESS,
        "im_count": ctypes.c_int32,
        "im_log_level": ctypes.c_int32,
        "im_operation": ctypes.c_int32,
        "im_status": ctypes.c_int32,
        "im_when_full": ctypes.c_int32,
        "im_context_free": ctypes.c_void_p,
    }[parameter.rsplit(" ", 1)[0]]
