"""The text of ``fyke --version``."""

from __future__ import annotations

import sys


def versions() -> str:
    """The versions of Fyke, Python and the database schemas, in one line."""
    from fyke import __version__
    from fyke.app.maintenance import schema_heads

    state, results = schema_heads()
    python = sys.version.split()[0]
    return f"fyke {__version__}, Python {python}, schema {state} (state), {results} (rows)"
