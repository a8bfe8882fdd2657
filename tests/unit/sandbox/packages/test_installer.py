"""How an installation that did not finish is reported, whatever ended it."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import ToolKind, ToolRun, ToolSpec, ToolStop
from fyke.sandbox.packages.environment import UvEnvironments
from fyke.sandbox.packages.installer import InstallLimits, InstallTerms, PackageInstaller
from fyke.sandbox.packages.package_client import PackageClient

pytestmark = pytest.mark.anyio

CLIENT = PackageClient({"TOLD": "1"}, {".config/x": "y"}, ())


@dataclass
class Ended:
    """A sandbox whose tool has ended like this."""

    run_: ToolRun
    asked: list[ToolSpec] = field(default_factory=list)

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        self.asked.append(spec)
        yield self.run_


async def install(
    sandbox: Ended, *, builds: bool = False, client: PackageClient = CLIENT
) -> ToolRun:
    package_installer = PackageInstaller(sandbox, InstallLimits(7, 1000))
    terms = InstallTerms("01ARZ3", builds)
    async with package_installer.install(
        ToolKind.UV, terms, client, lambda one: one.url, ["tool"], {"in": "x"}, {"MORE": "2"}
    ) as run:
        return run


@pytest.mark.parametrize(
    ("stopped", "words"),
    [
        (ToolStop.TIME, "within 7 seconds"),
        (ToolStop.SIZE, "more than 1,000 bytes"),
        (ToolStop.MEMORY, "memory"),
        (ToolStop.TRAFFIC, "more to download than is allowed"),
    ],
)
async def test_the_cause_of_a_stop_is_reported(
    tmp_path: Path, stopped: ToolStop, words: str
) -> None:
    with pytest.raises(EnvironmentFailed, match=words) as caught:
        await install(Ended(ToolRun(137, tmp_path, "so far", b"", stopped)))
    assert caught.value.log == "so far"


@pytest.mark.parametrize(
    "words",
    ["No space left on device (os error 28)", "npm error code ENOSPC", "Disk quota exceeded"],
)
async def test_a_full_disk_inside_is_said(tmp_path: Path, words: str) -> None:
    with pytest.raises(EnvironmentFailed, match="the disk is full; make room"):
        await install(Ended(ToolRun(2, tmp_path, f"error: {words}", b"")))
    assert (await install(Ended(ToolRun(0, tmp_path, words, b"")))).code == 0


async def test_files_and_variables_of_a_package_client(tmp_path: Path) -> None:
    sandbox = Ended(ToolRun(0, tmp_path, "", b""))
    await install(sandbox)
    await install(sandbox, builds=True)
    plain, building = sandbox.asked
    assert plain.env == {"TOLD": "1", "MORE": "2"}
    assert plain.files == {".config/x": "y", "in": "x"}
    assert (plain.cache, building.cache) == ("01ARZ3-UV", "01ARZ3-UV-BUILDS")
    assert (plain.access, plain.inputs) == (None, None)
    assert building.limits.cpus <= plain.limits.cpus


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_disk_outside_is_said(tmp_path: Path, number: int) -> None:
    class Full:
        inputs = ("x",)
        locked = True

        async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
            assert building.is_dir()
            raise OSError(number, os.strerror(number))

    sandbox = Ended(ToolRun(0, tmp_path, "", b""))
    root = tmp_path / "envs"
    root.mkdir()
    environments = UvEnvironments(root, sandbox, environ={})
    full = number != errno.EIO
    with pytest.raises(
        EnvironmentFailed if full else OSError, match="disk is full" if full else None
    ):
        await environments._build("k", Full(), InstallTerms("A", builds=False), "w")
    assert list(root.iterdir()) == []
