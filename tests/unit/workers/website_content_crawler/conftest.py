"""Makes the Worker's own package importable: the modules tried here use no libraries."""

from __future__ import annotations

import sys
from pathlib import Path

WORKER = Path(__file__).parents[4] / "workers" / "website-content-crawler"
sys.path.append(str(WORKER))
