"""The last page of an attempt, and a disk without room for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.domain.nodes.files import InstallationFiles
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.secrets.masking import Masker
from fyke.model.last_page import PageFileKind, TakenPage
from fyke.model.log import LogType
from fyke.runner.attempt import AttemptRunner
from fyke.storage.blobs.filesystem import FilesystemBlobs
from support.attempt_runner import runner
from support.small_disk import fill, free_bytes, small_disk

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk"),
]
KIB = 1024
PAGE = TakenPage(
    5, "https://a.example/", screenshot=bytes(200 * KIB), html=b"<p>" + b"x" * 900 * KIB
)


class Attempt:
    """An attempt that has taken a page, and the lines of its log."""

    def __init__(self, blobs: FilesystemBlobs) -> None:
        files = InstallationFiles(blobs, LastPages(cast(Any, None), blobs))
        self.lines: list[tuple[LogType, str]] = []
        self.runner: AttemptRunner = runner(gateway=SimpleNamespace(files=files))
        self.runner.page.taken = PAGE
        self.runner._intake = cast(Any, SimpleNamespace(log=self._log))

    def _log(self, kind: LogType, text: str, *, system: bool) -> None:
        assert system
        self.lines.append((kind, text))


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


async def test_a_full_disk_costs_the_page_and_the_log_says_so() -> None:
    with small_disk(4 * 2**20) as disk:
        blobs = FilesystemBlobs(disk / "blobs")
        (disk / "blobs" / "pages").mkdir()
        filler = fill(disk, 600 * KIB)  # the picture fits, the HTML does not
        before = free_bytes(disk)
        attempt = Attempt(blobs)
        assert await attempt.runner.page.store(Masker({})) is None
        [(kind, line)] = attempt.lines
        assert kind is LogType.WARN
        assert line.endswith(
            "The last page of the browser is not kept: Blob storage cannot be written: No space "
            "left on device."
        )
        assert files_in(disk / "blobs") == []
        assert abs(free_bytes(disk) - before) <= 16 * KIB  # the file of the lock
        filler.unlink()
        attempt = Attempt(blobs)
        page = await attempt.runner.page.store(Masker({}))
        assert page is not None and {file.kind for file in page.files} == {
            PageFileKind.SCREENSHOT,
            PageFileKind.HTML,
        }
        assert (attempt.lines, len(files_in(disk / "blobs"))) == ([], 2)
