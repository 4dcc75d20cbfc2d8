"""Puts the library into a program that PyInstaller makes, where the package looks for it."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("imtag")
