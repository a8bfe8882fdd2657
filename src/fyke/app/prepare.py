"""Making a data folder ready: schemas up to date, the operator's account, its credential.

``fyke up`` runs this in a process of its own, so that what migrations load stays in no other.
"""

from __future__ import annotations

import asyncio

from fyke.app.folder import make_home
from fyke.app.state import bootstrap, migrate_all
from fyke.settings import Settings


def prepare(settings: Settings) -> None:
    """Raises ``FykeError`` and ``OSError``."""
    make_home(settings)
    migrate_all(settings)
    asyncio.run(bootstrap(settings))
