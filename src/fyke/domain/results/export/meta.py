"""What an export says about itself, and the two choices a person may make about a CSV."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportMeta:
    """``at``: when the run ended (ms), or now. ``link``: where the run is shown, if anywhere.

    ``safe``: guard cells that a spreadsheet would take for formulas (csv). ``bom``: begin with a
    byte order mark, which older spreadsheets need to recognise UTF-8 (csv).
    """

    run_id: str
    title: str
    at: int
    link: str = ""
    safe: bool = False
    bom: bool = False
