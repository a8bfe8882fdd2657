"""The files with rows of ended runs, for backups, checks and ``fyke prune``.

``execute`` runs a query on the tables of the results, of either database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fyke.storage.blobs.files import StoredFiles

Execute = Callable[[str], Iterable[Sequence[Any]]]

_FILES = (
    "SELECT n.run_id, coalesce(s.blob, ''), n.sealed, s.sha256 FROM results_runs n"
    " LEFT JOIN results_seals s ON s.run = n.number"
    " WHERE n.sealed > 0 AND n.run_id IS NOT NULL ORDER BY n.number"
)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """The file ``blob`` with the first ``rows`` rows of a run."""

    run_id: str
    blob: str
    rows: int
    sha256: bytes


def sealed_files(execute: Execute) -> list[SealedFile]:
    """The files that must exist: those of runs that are not being deleted."""
    return [SealedFile(*row) for row in execute(_FILES)]


def named_files(execute: Execute) -> set[str]:
    """The names of all files that are needed, being written, or being deleted. No other file will
    get one of these names, nor a file that exists become needed. A server of an older release
    removes a run without its seal.
    """
    query = "SELECT s.blob FROM results_seals s JOIN results_runs n ON n.number = s.run"
    return {blob for (blob,) in execute(query)}


def check_sealed_files(files: StoredFiles, execute: Execute) -> list[str]:
    """A sentence for each file that is missing from the blobs or was changed."""
    faults = {file: fault for file in sealed_files(execute) for fault in _fault_of(files, file)}
    if not faults:
        return []
    still_needed = set(sealed_files(execute))  # runs may have been deleted meanwhile
    return [
        f"the file {file.blob or '(without a name)'} with {file.rows} rows of run {file.run_id} "
        f"{fault}"
        for file, fault in faults.items()
        if file in still_needed
    ]


def _fault_of(files: StoredFiles, file: SealedFile) -> Iterator[str]:
    try:
        actual = files.sha256(file.blob)
    except (OSError, ValueError) as error:  # it may have no name
        yield f"cannot be read: {getattr(error, 'strerror', error)}"
        return
    if actual != file.sha256:
        yield f"was changed: its SHA-256 is {actual.hex()}"
