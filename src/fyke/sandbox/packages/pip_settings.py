"""pip's settings, from its files and variables, because uv does not read them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from fyke.sandbox.packages.package_client import SettingsUnusable, read_settings

_KEYS = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host")


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings: a variable overrides a file, a user's file the machine's. Raise
    ``SettingsUnusable``.
    """
    return {key: value for key, (value, _) in read_pip(environ).items()}


def read_pip(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Like ``pip_settings``, but each value with the file or variable that it is from."""
    home = Path(environ.get("HOME", "/nonexistent"))
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(folder, "pip", "pip.conf") for folder in folders.split(":") if folder]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    named_file = environ.get("PIP_CONFIG_FILE")
    if named_file:
        files = [] if named_file == os.devnull else [*files, Path(named_file)]
    settings: dict[str, tuple[str, str]] = {}
    for file in files:
        settings |= {key: (value, str(file)) for key, value in _read(file).items()}
    for key in _KEYS:
        variable = f"PIP_{key.upper().replace('-', '_')}"
        value = environ.get(variable)
        if value:
            settings[key] = value, variable
    return settings


def _read(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    text = read_settings(file)
    if text is None:
        return {}
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise SettingsUnusable(str(file), _problem(error)) from None
    sections = [name for name in ("global", "install") if parser.has_section(name)]
    return {key.replace("_", "-"): value for name in sections for key, value in parser.items(name)}


def _problem(error: configparser.Error) -> str:
    """What is wrong, without the text of a line: it may contain a login."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} comes before any section such as [global]"
    if isinstance(error, configparser.ParsingError):
        line = getattr(error, "lineno", None) or error.errors[0][0]
        return f"line {line} is not a setting"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno} sets {error.option} again"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno} begins the section {error.section} again"
    return "it is not a configuration of pip"
