"""Running a package client, and the reason for an installation that failed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fyke.contracts.execution import EnvironmentFailed, RegistryAway, SandboxFault
from fyke.contracts.tools import ToolKind, ToolRun, ToolSpec, ToolStop
from fyke.reasons import Reason, ReasonCode, sentence
from fyke.sandbox.packages import installer
from fyke.sandbox.packages.installer import (
    InstallLimits,
    InstallTerms,
    PackageInstaller,
    run_program,
)
from fyke.sandbox.packages.package_client import PackageClient, Registry

pytestmark = pytest.mark.anyio

CLIENT = PackageClient({"FROM_CLIENT": "1"}, {".config/x": "y"}, ())


@dataclass
class EndedTools:
    """Implements ``ToolRunner`` with an ended tool; ``answers`` are those of earlier ones."""

    result: ToolRun
    specs: list[ToolSpec] = field(default_factory=list)
    answers: list[ToolRun] = field(default_factory=list)

    @asynccontextmanager
    async def run(self, spec: ToolSpec) -> AsyncIterator[ToolRun]:
        self.specs.append(spec)
        yield self.answers.pop(0) if self.answers else self.result


async def install(
    tools: EndedTools,
    *,
    builds: bool = False,
    client: PackageClient = CLIENT,
    upstream: bool = False,
) -> ToolRun:
    package_installer = PackageInstaller(tools, InstallLimits(7, 1000), upstream=upstream)
    terms = InstallTerms("01ARZ3", builds)
    async with package_installer.install(
        ToolKind.UV, terms, client, lambda one: one.url, ["tool"], {"in": "x"}, {"MORE": "2"}
    ) as run:
        return run


@pytest.mark.parametrize(
    ("stopped", "message"),
    [
        (ToolStop.TIME, "within 7 seconds"),
        (ToolStop.SIZE, "more than the allowed 1,000 bytes"),
        (ToolStop.MEMORY, "memory"),
        (ToolStop.TRAFFIC, "download is larger than allowed"),
    ],
)
async def test_the_cause_of_a_stop_is_reported(
    tmp_path: Path, stopped: ToolStop, message: str
) -> None:
    with pytest.raises(EnvironmentFailed, match=message) as caught:
        await install(EndedTools(ToolRun(137, tmp_path, "so far", b"", stopped)))
    assert caught.value.log == "so far"


@pytest.mark.parametrize(("answer", "away"), [(b"", True), (b"[[]]", False)])
async def test_only_a_silent_registry_makes_an_exceeded_time_a_fault_of_the_platform(
    tmp_path: Path, answer: bytes, away: bool
) -> None:
    client = PackageClient({}, {}, (Registry("https://192.0.2.1/simple"),))
    tools = EndedTools(ToolRun(137, tmp_path, "so far", b"", ToolStop.TIME))
    tools.answers = [ToolRun(0, tmp_path, "", answer)]
    with pytest.raises(EnvironmentFailed, match="within 7 seconds") as caught:
        await install(tools, client=client)
    assert isinstance(caught.value, RegistryAway) is away


@pytest.mark.parametrize(
    "error",
    ["No space left on device (os error 28)", "npm error code ENOSPC", "Disk quota exceeded"],
)
async def test_a_full_disk_inside_the_sandbox_is_reported(tmp_path: Path, error: str) -> None:
    with pytest.raises(EnvironmentFailed, match="the disk is full; free some space"):
        await install(EndedTools(ToolRun(2, tmp_path, f"error: {error}", b"")))
    assert (await install(EndedTools(ToolRun(0, tmp_path, error, b"")))).code == 0


async def test_credentials_are_masked_in_the_output_of_every_end(tmp_path: Path) -> None:
    client = PackageClient({}, {}, (), credentials=("glpat_Zx81", "one line\nanother line"))
    basic = base64.b64encode(b"u:glpat_Zx81").decode()
    output = f"netrc:1: unrecognized 'glpat_Zx81'; Basic {basic}; another line, one l"
    ended = await install(EndedTools(ToolRun(1, tmp_path, output, b"")), client=client)
    assert ended.output.startswith("netrc:1: unrecognized '***'; Basic dT")
    assert ended.output.endswith("; ***, one l")
    assert basic[3:] not in ended.output
    with pytest.raises(EnvironmentFailed) as caught:
        stopped = ToolRun(137, tmp_path, output, b"", ToolStop.TIME)
        await install(EndedTools(stopped), client=client)
    assert caught.value.log == ended.output


async def test_a_later_step_has_the_rest_of_the_time(tmp_path: Path) -> None:
    tools = EndedTools(ToolRun(0, tmp_path, "", b""))
    package_installer = PackageInstaller(tools, InstallLimits(7, 1000))
    since = asyncio.get_running_loop().time() - 5
    async with package_installer.install(
        ToolKind.UV, InstallTerms("A", False), CLIENT, str, ["tool"], {}, {}, since=since
    ):
        pass
    assert tools.specs[0].limits.seconds <= 2


async def test_a_tool_gets_the_files_and_variables_of_the_client(tmp_path: Path) -> None:
    tools = EndedTools(ToolRun(0, tmp_path, "", b""))
    await install(tools)
    await install(tools, builds=True)
    plain, building = tools.specs
    assert plain.env == {"FROM_CLIENT": "1", "MORE": "2"}
    assert plain.files == {".config/x": "y", "in": "x"}
    assert (plain.cache, building.cache) == ("01ARZ3-UV", "01ARZ3-UV-BUILDS")
    assert (plain.access, plain.inputs) == (None, None)
    assert building.limits.cpus <= plain.limits.cpus


# --- refused before a tool starts


async def test_builds_with_credentials_of_a_registry_are_refused(tmp_path: Path) -> None:
    tools = EndedTools(ToolRun(0, tmp_path, "", b""))
    client = PackageClient({}, {}, (), secrets=("the netrc file",))
    with pytest.raises(EnvironmentFailed, match="the netrc file") as caught:
        await install(tools, builds=True, client=client)
    assert caught.value.reason.code is ReasonCode.REGISTRY_CREDENTIALS
    assert tools.specs == []
    assert (await install(tools, client=client)).code == 0


async def test_a_proxy_of_the_machine_is_refused_unless_the_operator_has_one(
    tmp_path: Path,
) -> None:
    tools = EndedTools(ToolRun(0, tmp_path, "", b""))
    client = PackageClient({}, {}, (), proxy="HTTPS_PROXY")
    with pytest.raises(EnvironmentFailed, match="HTTPS_PROXY") as caught:
        await install(tools, client=client)
    assert caught.value.reason.code is ReasonCode.REGISTRY_PROXY
    assert (await install(tools, client=replace(client, offline=True))).code == 0
    assert (await install(tools, client=client, upstream=True)).code == 0


# --- the reason, and the result


def failure(
    folder: Path, log: str, explanation: str, code: ReasonCode = ReasonCode.BUILD_FAILED
) -> EnvironmentFailed:
    installer = PackageInstaller(EndedTools(ToolRun(0, folder, "", b"")), InstallLimits(7, 1000))
    run = ToolRun(2, folder, log, b"")
    return installer.failure(CLIENT, code, "go", run, explanation)


def test_the_reason_is_the_output_of_the_installer_or_its_exit_code(tmp_path: Path) -> None:
    output = "main.go:3: undefined: x"
    explained = failure(tmp_path, f"# x\n{output}", output)
    assert output in sentence(explained.reason)
    assert explained.log == f"# x\n{output}"
    assert "go ended with code 2" in sentence(failure(tmp_path, "", "").reason)


UV = "error: Failed to fetch: https://pypi.example/simple/x/\n  cause: "
GO = 'go: x.example/y@v1.0.0: Get "https://proxy.example/x/y/@v/v1.0.0.mod": '


@pytest.mark.parametrize(
    ("log", "away"),
    [
        (f"{UV}error sending request for url (https://pypi.example/simple/x/)", True),
        (f"{UV}HTTP status server error (503 Service Unavailable) for url (https://x)", True),
        (f"{UV}HTTP status client error (404 Not Found) for url (https://x)", False),
        ("error: No solution found when resolving dependencies", False),
        ("npm error code ECONNREFUSED\nnpm error syscall connect", True),
        ("npm error code E502\nnpm error 502 Bad Gateway - GET https://x", True),
        ("npm ERR! code EAI_AGAIN\nnpm ERR! syscall getaddrinfo", True),
        ("npm error code E404\nnpm error 404 Not Found - GET https://x", False),
        ("npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve", False),
        (f"{GO}Bad Gateway\n", True),
        (f"{GO}Bad Gateway: proxy.example port 443: the name does not exist\n", True),
        (f"{GO}dial tcp: lookup proxy.example: no such host", True),
        (f"{GO}Not Found", False),
    ],
)
def test_a_registry_that_does_not_answer_is_not_a_fault_of_the_version(
    tmp_path: Path, log: str, away: bool
) -> None:
    assert isinstance(failure(tmp_path, log, "why"), RegistryAway) is away


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        (
            f"error: Request failed after 3 retries in 9.1s\n  cause: {UV[7:]}"
            "error sending request for url (https://pypi.example/simple/x/)\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)\n",
            "https://pypi.example/simple/x/: Connection refused (os error 111)",
        ),
        (
            "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error FetchError: request "
            "to https://npm.example/x failed, reason: connect ECONNREFUSED 192.0.2.1:443\n",
            "request to https://npm.example/x failed, reason: connect ECONNREFUSED 192.0.2.1:443",
        ),
        (f"{GO}dial tcp: lookup proxy.example: no such host", "all of the output"),
    ],
)
def test_a_registry_that_is_away_is_named_with_the_last_cause(
    tmp_path: Path, log: str, problem: str
) -> None:
    failed = failure(tmp_path, log, "all of the output")
    assert (failed.reason.params["detail"], failed.log) == (problem, log)


NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because "


@pytest.mark.parametrize(
    ("log", "code"),
    [
        (f"{NO_SOLUTION}x was not found in the package registry and", "package_not_found"),
        (f"{NO_SOLUTION}there is no version of x==2 and you require x==2", "package_not_found"),
        (f"{NO_SOLUTION}there are no versions of x and you require x", "package_not_found"),
        (f"{NO_SOLUTION}x==1.0 has no usable wheels and", "no_ready_package"),
        (f"{NO_SOLUTION}there is no version of x==2 and x==1 has no wheels", "no_ready_package"),
        (f"{NO_SOLUTION}you require x>1 and x<1, we can conclude", "no_ready_package"),
        ("npm error code E404\nnpm error 404 Not Found - GET https://x", "package_not_found"),
        ("npm error code ETARGET\nnpm error notarget No matching version", "package_not_found"),
        ("npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve", "no_ready_package"),
        ("npm error code E401\nnpm error 401 Unauthorized - GET https://x", "registry_login"),
        ("npm error code E403\nnpm error 403 403 Forbidden - GET https://x", "registry_login"),
        ("go: x.example/y@v1: reading https://p/x/y/@v/v1.mod: 403 Forbidden", "registry_login"),
        ("go: x.example/y@v1: reading https://p/x/y/@v/v1.mod: 404 Not Found", "no_ready_package"),
    ],
)
def test_a_cause_in_the_output_has_a_code_of_its_own(tmp_path: Path, log: str, code: str) -> None:
    failed = failure(tmp_path, log, "why", ReasonCode.NO_READY_PACKAGE)
    assert (type(failed), failed.reason.code.value) == (EnvironmentFailed, code)
    assert failed.reason.params == {"detail": "why"}
    assert failure(tmp_path, log, "why").reason.code.value in ("registry_login", "build_failed")


@pytest.mark.parametrize(
    "hint",
    [
        "An index URL (https://pypi.example/simple) could not be queried due to a lack of valid "
        "authentication credentials (401 Unauthorized)",
        "An index (https://pypi.example/simple) returned a 403 Forbidden error. Check that the "
        "index URL is correct and the credentials are valid.",
    ],
)
def test_an_index_that_refuses_the_login_is_a_matter_of_the_operator(
    tmp_path: Path, hint: str
) -> None:
    log = f"{NO_SOLUTION}x was not found in the package registry and you require x\n\nhint: {hint}"
    failed = failure(tmp_path, log, "No solution found", ReasonCode.NO_READY_PACKAGE)
    assert failed.reason == Reason.of(ReasonCode.REGISTRY_LOGIN, detail=hint)
    assert not isinstance(failed, RegistryAway)


@pytest.mark.parametrize(
    ("result", "message"),
    [("link", "'x'"), ("large", "10,000 bytes"), ("missing", "no files")],
)
def test_a_rejected_result_is_reported_with_the_reason(
    tmp_path: Path, result: str, message: str
) -> None:
    installer = PackageInstaller(
        EndedTools(ToolRun(0, tmp_path, "", b"")), InstallLimits(7, 10_000)
    )
    out = tmp_path / "out"
    if result != "missing":
        out.mkdir()
    if result == "link":
        (out / "x").symlink_to("/etc/passwd")
    if result == "large":
        (out / "x").write_bytes(bytes(20_000))
    with pytest.raises(EnvironmentFailed, match=message) as caught:
        installer.check_tree(out, "the log")
    assert caught.value.reason.code is ReasonCode.PACKAGES_REFUSED
    assert caught.value.log == "the log"


def test_a_link_above_the_result_is_not_followed(tmp_path: Path) -> None:
    installer = PackageInstaller(
        EndedTools(ToolRun(0, tmp_path, "", b"")), InstallLimits(7, 10_000)
    )
    (tmp_path / "real" / "node_modules").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "real")
    inside = tmp_path / "out" / "node_modules"
    installer.check_tree(inside, "")
    with pytest.raises(EnvironmentFailed):
        installer.check_tree(inside, "", within=tmp_path / "out")


# --- programs of the machine


async def test_a_program_runs_without_the_variables_of_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FYKE_SECRET", "s")
    code, output = await run_program(["/usr/bin/env"], {"MORE": "1"})
    assert code == 0
    assert {line.partition("=")[0] for line in output.splitlines()} == {"PATH", "HOME", "MORE"}


async def test_a_program_that_fails_or_is_missing_returns_a_code(tmp_path: Path) -> None:
    assert await run_program(["/bin/sh", "-c", "echo so; echo no >&2; exit 3"], {}) == (3, "so\n")
    assert await run_program([tmp_path / "none"], {}) == (-1, "")


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "_PROGRAM_SECONDS", 0.05)
    with pytest.raises(SandboxFault, match=r"sleep did not answer within 0\.05 s"):
        await run_program(["/bin/sleep", "600"], {})
