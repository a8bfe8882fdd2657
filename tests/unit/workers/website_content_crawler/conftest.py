"""Makes the package of the Worker importable. The modules under test use no libraries."""

from __future__ import annotations

import sys
from pathlib import Path

WORKER = Path(__file__).parents[4] / "workers" / "website-content-crawler"
sys.path.append(str(WORKER))
