"""Making a data folder ready: schemas up to date, the operator's account, its credential.

``fyke up`` runs this as a process of its own, so that what migrations load does not stay in the
memory of the supervisor.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fyke.app.folder import make_home
from fyke.app.state import bootstrap, migrate_all
from fyke.errors import FykeError
from fyke.settings import Settings


def prepare(settings: Settings) -> None:
    """Raises ``FykeError`` and ``OSError``."""
    make_home(settings)
    migrate_all(settings)
    asyncio.run(bootstrap(settings))


def main() -> int:
    """Prepare the folder that the environment names; complain in one line."""
    os.umask(0o077)
    try:
        prepare(Settings())
    except (FykeError, OSError) as error:
        print(f"fyke: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
