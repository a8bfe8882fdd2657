"""The folders of wheels that pip and uv use on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fyke.sandbox.packages.uv_settings import find_links


def find_links_folders(environ: Mapping[str, str]) -> list[Path]:
    """The folders that the settings of pip and uv name, given these environment variables."""
    return find_links(environ)
