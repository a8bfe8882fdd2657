"""The files of a submitted version, for a review without an earlier version to compare with."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.blobs import Blobs
from fyke.contracts.parsing import ParserPool
from fyke.domain.accounts.rights import require_operator
from fyke.domain.review.service import SubmissionView
from fyke.domain.workers.archive import ENTRY_FILES, Archive, ProjectFile
from fyke.domain.workers.bundles import Bundles
from fyke.errors import VersionUnavailable
from fyke.model.account import Caller

MAX_FILES = 30
MAX_TEXT = 64 * 1024  # bytes of one file
MAX_TOTAL_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class ShownFile:
    """``size`` is bytes; ``text`` is None for a binary file and beyond the limits."""

    path: str
    size: int
    text: str | None


class SubmissionFiles:
    """Reads the files of a submission for a reviewer."""

    def __init__(self, blobs: Blobs, parsers: ParserPool) -> None:
        self._bundles = Bundles(blobs, parsers)

    async def list(self, caller: Caller, view: SubmissionView) -> tuple[list[ShownFile], int]:
        """Return the files, the entry file first, and the number of further files.

        Without a stored bundle: no files and 0. Raise ``Forbidden``.
        """
        require_operator(caller, "Reading submitted files")
        try:
            return await self._bundles.read(view.worker.account_id, _shown_files, view.version)
        except VersionUnavailable:
            return [], 0


def _shown_files(archive: Archive) -> tuple[list[ShownFile], int]:
    files = sorted(archive.files, key=lambda file: (file.path not in ENTRY_FILES, file.path))
    left, shown = MAX_TOTAL_BYTES, []
    for file in files[:MAX_FILES]:
        text = _text(file) if file.size <= min(MAX_TEXT, left) else None
        left -= len(text or "")
        shown.append(ShownFile(file.path, file.size, text))
    return shown, max(0, len(files) - MAX_FILES)


def _text(file: ProjectFile) -> str | None:
    try:
        text = file.read(MAX_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
