"""The folders of wheels that pip and uv use on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fyke.sandbox.packages.package_client import SettingsUnusable
from fyke.sandbox.packages.uv_settings import find_links


def find_links_folders(environ: Mapping[str, str]) -> list[Path]:
    """The folders that the settings of pip and uv name, given these environment variables; none
    where the settings cannot be read, because then nothing is installed.
    """
    try:
        return find_links(environ)
    except SettingsUnusable:
        return []
