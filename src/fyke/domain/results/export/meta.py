"""The metadata of an export, and the options of CSV."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportMeta:
    """``at``: when the run ended, else now (ms). ``link``: the address of the run's page, if any.

    ``safe``: guard cells that a spreadsheet would read as formulas (csv). ``bom``: start with a
    byte order mark, which older spreadsheets need to recognise UTF-8 (csv).
    """

    run_id: str
    title: str
    at: int
    link: str = ""
    safe: bool = False
    bom: bool = False
