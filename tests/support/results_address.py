"""Where the stores of results under test are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from support.prepared import rows_in

DIALECTS = ["sqlite", "postgresql"]
STORES = ["sqlite", "journal", "durable-journal", "postgresql"]


@dataclass(frozen=True)
class ResultsAddress:
    """The URL of a database with the tables of the results, the folder for rows of ended runs, and
    that of the journal, if any.
    """

    url: str
    blobs: Path
    journal: Path | None = None
    durable: bool = False


def address_of(store: str, request: pytest.FixtureRequest, folder: Path) -> ResultsAddress:
    """Tables without rows for one of ``STORES``."""
    blobs = folder / "blobs"
    if store == "postgresql":
        return ResultsAddress(str(request.getfixturevalue("postgres_results_url")), blobs)
    url = rows_in(folder)
    if store == "sqlite":
        return ResultsAddress(url, blobs)
    return ResultsAddress(url, blobs, folder / "journal", store.startswith("durable"))
