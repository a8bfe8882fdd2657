"""Where the files lie that ship beside the program: the SDK of Workers, and whole Workers."""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """The folder with ``sdk`` and ``workers``: inside the installed package, or the clone."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "assets"
    return inside if inside.is_dir() else package.parents[1]
