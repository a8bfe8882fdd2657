"""The paths of files that ship with the program: the SDK of Workers, whole Workers, and the
migrations from before the first release.
"""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """The folder with ``sdk``, ``workers`` and ``old-migrations``: of the installed package, or the
    clone.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "assets"
    return inside if inside.is_dir() else package.parents[1]
