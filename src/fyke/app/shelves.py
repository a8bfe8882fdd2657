"""The folders of wheels that the package clients of this machine are told to use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fyke.sandbox.uv_settings import shelves


def machine_shelves(environ: Mapping[str, str]) -> list[Path]:
    """As pip and uv read them from their settings, in this environment."""
    return shelves(environ)
