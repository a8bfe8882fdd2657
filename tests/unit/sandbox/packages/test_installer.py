"""How an installation that did not finish is reported, whatever ended it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import ToolKind, ToolRun, ToolSpec, ToolStop
from fyke.reasons import ReasonCode, sentence
from fyke.sandbox.packages import installer
from fyke.sandbox.packages.installer import InstallLimits, InstallTerms, PackageInstaller, ask
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
    sandbox: Ended,
    *,
    builds: bool = False,
    client: PackageClient = CLIENT,
    upstream: bool = False,
) -> ToolRun:
    package_installer = PackageInstaller(sandbox, InstallLimits(7, 1000), upstream=upstream)
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
async def test_a_full_disk_inside_the_sandbox_is_reported(tmp_path: Path, words: str) -> None:
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


# --- what is refused before anything runs


async def test_packages_that_run_code_never_see_a_credential(tmp_path: Path) -> None:
    sandbox = Ended(ToolRun(0, tmp_path, "", b""))
    client = PackageClient({}, {}, (), secrets=("the netrc file",))
    with pytest.raises(EnvironmentFailed, match="the netrc file") as caught:
        await install(sandbox, builds=True, client=client)
    assert caught.value.reason.code is ReasonCode.REGISTRY_CREDENTIALS
    assert sandbox.asked == []
    assert (await install(sandbox, client=client)).code == 0


async def test_a_proxy_of_the_machine_is_refused_where_it_would_be_passed_by(
    tmp_path: Path,
) -> None:
    sandbox = Ended(ToolRun(0, tmp_path, "", b""))
    client = PackageClient({}, {}, (), proxy="HTTPS_PROXY")
    with pytest.raises(EnvironmentFailed, match="HTTPS_PROXY") as caught:
        await install(sandbox, client=client)
    assert caught.value.reason.code is ReasonCode.REGISTRY_PROXY
    assert (await install(sandbox, client=replace(client, offline=True))).code == 0
    assert (await install(sandbox, client=client, upstream=True)).code == 0


# --- the reason, and the result


def test_the_words_of_an_installer_come_first_and_its_code_else() -> None:
    made_by = PackageInstaller(Ended(ToolRun(0, Path(), "", b"")), InstallLimits(7, 1000))
    said = made_by.failed(ReasonCode.BUILD_FAILED, "go", 2, "main.go:3: undefined: x")
    assert "main.go:3: undefined: x" in sentence(said)
    silent = made_by.failed(ReasonCode.BUILD_FAILED, "go", 2, "")
    assert "go ended with code 2" in sentence(silent)


@pytest.mark.parametrize("made", ["link", "large", "missing"])
def test_a_rejected_result_is_reported_with_the_reason(tmp_path: Path, made: str) -> None:
    made_by = PackageInstaller(Ended(ToolRun(0, tmp_path, "", b"")), InstallLimits(7, 10_000))
    out = tmp_path / "out"
    if made != "missing":
        out.mkdir()
    if made == "link":
        (out / "x").symlink_to("/etc/passwd")
    if made == "large":
        (out / "x").write_bytes(bytes(20_000))
    words = {"link": "'x'", "large": "10,000 bytes", "missing": "no files"}[made]
    with pytest.raises(EnvironmentFailed, match=words) as caught:
        made_by.check_tree(out, "the log")
    assert caught.value.reason.code is ReasonCode.PACKAGES_REFUSED
    assert caught.value.log == "the log"


def test_a_link_above_the_result_is_not_followed(tmp_path: Path) -> None:
    made_by = PackageInstaller(Ended(ToolRun(0, tmp_path, "", b"")), InstallLimits(7, 10_000))
    (tmp_path / "real" / "node_modules").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "real")
    inside = tmp_path / "out" / "node_modules"
    made_by.check_tree(inside, "")
    with pytest.raises(EnvironmentFailed):
        made_by.check_tree(inside, "", within=tmp_path / "out")


# --- asking a program of the machine


async def test_a_program_is_asked_without_the_variables_of_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FYKE_SECRET", "s")
    code, said = await ask(["/usr/bin/env"], {"MORE": "1"})
    assert code == 0
    assert {line.partition("=")[0] for line in said.splitlines()} == {"PATH", "HOME", "MORE"}


async def test_a_program_that_fails_or_is_missing_has_a_code(tmp_path: Path) -> None:
    assert await ask(["/bin/sh", "-c", "echo so; echo no >&2; exit 3"], {}) == (3, "so\n")
    assert await ask([tmp_path / "none"], {}) == (-1, "")


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "_ASK_SECONDS", 0.05)
    assert await ask(["/bin/sleep", "600"], {}) == (-1, "")
