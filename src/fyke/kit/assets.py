"""The path of the files that ship with the program: the Worker SDK, bundled Workers, and the
migrations from before the first release.
"""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """Return the folder with ``sdk``, ``workers`` and ``old-migrations``: ``assets`` of the
    installed package, or the root of the clone.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "assets"
    return installed if installed.is_dir() else package.parents[1]
