"""Which fault an error is, and the trouble of a runner."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from fyke.contracts.execution import DiskShort, RegistryAway, SandboxFault
from fyke.errors import BlobsAway, Unavailable
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, detail_sentence
from fyke.runner.disk import RunnerDisk
from fyke.runner.faults import EgressAway, detail_of, find_trouble, log_fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SandboxFault("no launcher at /run/x"), DetailCode.SANDBOX_FAILED),
        (DiskShort(1, 2), DetailCode.DISK_SHORT),
        (RegistryAway(Reason(ReasonCode.PACKAGES_FAILED)), DetailCode.REGISTRY_AWAY),
        (EgressAway(), DetailCode.EGRESS_AWAY),
        (Unavailable("away"), DetailCode.STORE_AWAY),
        (BlobsAway("away"), DetailCode.BLOBS_AWAY),
        (OSError(errno.ENOSPC, "full"), DetailCode.DISK_USED_UP),
        (OSError(errno.EDQUOT, "full"), DetailCode.DISK_USED_UP),
        (OSError(errno.EACCES, "forbidden"), DetailCode.UNFORESEEN),
        (ValueError(), DetailCode.UNFORESEEN),
    ],
)
def test_every_error_has_a_detail(error: Exception, code: DetailCode) -> None:
    assert detail_of(error).code is code


def test_the_problem_is_quoted_and_masked() -> None:
    mask = lambda text: text.replace("hunter2", "***")  # noqa: E731
    assert detail_of(SandboxFault("bad hunter2"), mask).params == {"problem": "bad ***"}
    assert detail_of(ValueError(), mask).params == {"problem": "ValueError"}
    slow = RegistryAway(Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=7))
    assert "within 7 seconds" in str(detail_of(slow).params["problem"])


def test_the_figures_of_the_disk_are_named() -> None:
    assert detail_sentence(detail_of(DiskShort(40 * 2**20, 64 * 2**20))) == (
        "the disk of the runner has 40 MiB free, and a sandbox needs 64 MiB; free some space"
    )


@pytest.mark.parametrize(
    ("error", "level", "text"),
    [
        (RegistryAway(Reason(ReasonCode.NO_READY_PACKAGE)), "warning", "the package registry"),
        (SandboxFault("no launcher"), "warning", "its sandbox failed: no launcher"),
        (OSError(errno.ENOSPC, "full"), "warning", "the disk of the runner is full"),
        (Unavailable("away"), "warning", "the database could not be reached"),
        (ValueError("a bug"), "error", ""),
    ],
)
def test_only_an_unforeseen_fault_is_logged_with_a_traceback(
    error: Exception, level: str, text: str
) -> None:
    with capture_logs() as lines:
        log_fault("attempt_fault", error, detail_of(error), attempt="A")
    [line] = lines
    assert (line["event"], line["log_level"], line["attempt"]) == ("attempt_fault", level, "A")
    assert (line.get("exc_info") is error) is (level == "error")
    assert text in line.get("detail", "")


class Part:
    """Sandboxes or an egress."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def check(self) -> None:
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("sandboxes", "egress", "code"),
    [
        (None, None, None),
        (DiskShort(1, 2), Unavailable("silent"), DetailCode.DISK_SHORT),
        (SandboxFault("silent"), None, DetailCode.SANDBOX_FAILED),
        (FileNotFoundError("the work folder"), None, DetailCode.UNFORESEEN),
        (None, Unavailable("silent"), DetailCode.EGRESS_AWAY),
    ],
)
async def test_trouble_names_what_prevents_workers_from_starting(
    sandboxes: Exception | None, egress: Exception | None, code: DetailCode | None
) -> None:
    found: Detail | None = await find_trouble(cast(Any, Part(sandboxes)), cast(Any, Part(egress)))
    assert (found and found.code) == code


async def test_a_disk_that_is_nearly_full_is_a_trouble(tmp_path: Path) -> None:
    working = cast(Any, Part(None))
    for floor, refuses, code in (
        (2**49, True, DetailCode.DISK_LOW),
        (2**49, False, None),  # the installation refuses starts instead
        (0, True, None),
    ):
        disk = RunnerDisk(tmp_path, lambda: 0, floor=floor, refuses=refuses)
        found = await find_trouble(working, working, disk)
        assert (found and found.code) == code
        if found:
            text = detail_sentence(found)
            assert re.search(r"has \d+ [MG]iB free, and below 524288 GiB it takes no", text)
