"""The files of a first version, which has nothing to be compared with."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.blobs import Blobs
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
    """``text`` is None for what is no text or too long."""

    path: str
    size: int
    text: str | None


class SubmissionFiles:
    """Lets a reviewer read what was submitted."""

    def __init__(self, blobs: Blobs) -> None:
        self._bundles = Bundles(blobs)

    async def list(self, caller: Caller, view: SubmissionView) -> tuple[list[ShownFile], int]:
        """The files, the entry first, and how many more there are. Raise ``Forbidden``."""
        require_operator(caller, "Reading what was submitted")
        try:
            return await self._bundles.read(_shown, view.version)
        except VersionUnavailable:
            return [], 0


def _shown(archive: Archive) -> tuple[list[ShownFile], int]:
    files = sorted(archive.files, key=lambda file: (file.path not in ENTRY_FILES, file.path))
    left, found = MAX_TOTAL_BYTES, []
    for file in files[:MAX_FILES]:
        text = _text(file) if file.size <= min(MAX_TEXT, left) else None
        left -= len(text or "")
        found.append(ShownFile(file.path, file.size, text))
    return found, max(0, len(files) - MAX_FILES)


def _text(file: ProjectFile) -> str | None:
    try:
        text = file.read(MAX_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
