"""The path of the files that ship with the program: the Worker SDK, bundled Workers, templates of
Workers, and the migrations from before the first release.
"""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """Return the folder with ``sdk``, ``workers``, ``worker-templates`` and ``old-migrations``:
    ``assets`` of the installed package, or the root of the clone.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "assets"
    return installed if installed.is_dir() else package.parents[1]
