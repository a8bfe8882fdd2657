"""The files of the last pages of attempts, for backups, checks and ``fyke prune``.

``execute`` runs a query on the tables of the state, of either database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fyke.domain.runs.last_pages import page_blob
from fyke.model.last_page import LastPage
from fyke.storage.blobs.files import StoredFiles

Execute = Callable[[str], Iterable[Sequence[Any]]]
_PAGES = "SELECT attempt_id, run_id, page FROM run_last_pages ORDER BY attempt_id"
_decode = msgspec.json.Decoder(LastPage).decode


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The file ``blob`` of ``size`` bytes, of a run."""

    run_id: str
    blob: str
    size: int


def page_files(execute: Execute) -> list[StoredFile]:
    """The files that must exist."""
    return [
        StoredFile(run_id, page_blob(attempt_id, file.kind), file.size)
        for attempt_id, run_id, page in execute(_PAGES)
        for file in _decode(page).files
    ]


def check_page_files(files: StoredFiles, execute: Execute) -> list[str]:
    """A sentence for each file that is missing from the blobs or was changed."""
    faults = {file: fault for file in page_files(execute) if (fault := _fault(files, file))}
    if not faults:
        return []
    still_needed = set(page_files(execute))  # pages may have been removed meanwhile
    return [
        f"the file {file.blob} of the last page of run {file.run_id} {fault}"
        for file, fault in faults.items()
        if file in still_needed
    ]


def _fault(files: StoredFiles, file: StoredFile) -> str:
    try:
        size = files.size(file.blob)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if size == file.size else f"was changed: it has {size} bytes instead of {file.size}"
