"""pip's settings, from its files and variables, because uv does not read them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

_KEYS = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host")


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings: a variable overrides a file, a user's file the machine's."""
    home = Path(environ.get("HOME", "/nonexistent"))
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(folder, "pip", "pip.conf") for folder in folders.split(":") if folder]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    named = environ.get("PIP_CONFIG_FILE")
    if named:
        files = [] if named == os.devnull else [*files, Path(named)]
    found: dict[str, str] = {}
    for file in files:
        found |= _read(file)
    for key in _KEYS:
        value = environ.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            found[key] = value
    return found


def _read(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    sections = [name for name in ("global", "install") if parser.has_section(name)]
    return {key.replace("_", "-"): value for name in sections for key, value in parser.items(name)}
