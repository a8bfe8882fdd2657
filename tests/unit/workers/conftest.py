"""Makes the packages of the shipped Workers importable. The modules under test use no libraries."""

from __future__ import annotations

import sys
from pathlib import Path

WORKERS = Path(__file__).parents[3] / "workers"
sys.path += [str(WORKERS / name) for name in ("website-content-crawler", "page-screenshot")]
