"""The entry point by which PyInstaller finds the hook beside this file."""

from __future__ import annotations

from pathlib import Path


def hook_folders() -> list[str]:
    """Return where the hooks are."""
    return [str(Path(__file__).parent)]
