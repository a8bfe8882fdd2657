"""Prepares a data folder: schemas up to date, the operator's account, its credential.

``fyke up`` runs this in a separate process, so that modules for migrations take no memory later.
"""

from __future__ import annotations

import asyncio

from fyke.app.folder import make_home
from fyke.app.state import bootstrap, migrate_all
from fyke.settings import Settings


def prepare(settings: Settings) -> None:
    """Prepare the data folder. Raises ``FykeError`` and ``OSError``."""
    make_home(settings)
    migrate_all(settings)
    asyncio.run(bootstrap(settings))
