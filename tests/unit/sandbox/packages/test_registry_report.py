"""Which registries are reported to the operator, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fyke.sandbox.packages import installer, registry_report
from fyke.sandbox.packages.registry_report import RegistryReport, RegistryUse, report_registries

pytestmark = pytest.mark.anyio
NODE = registry_report._node


async def python_report(
    tmp_path: Path, *, upstream: bool = False, **environ: str
) -> RegistryReport:
    known = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path), **environ}
    [python, *_] = await report_registries(known, upstream=upstream)
    assert python.language == "Python"
    return python


@pytest.fixture(autouse=True)
def only_python(monkeypatch: pytest.MonkeyPatch) -> None:
    async def absent(environ: Mapping[str, str]) -> None:
        return None

    monkeypatch.setattr(registry_report, "_node", absent)
    monkeypatch.setattr(registry_report, "_go", absent)


async def test_registries_are_reported_with_their_source_and_without_the_login(
    tmp_path: Path,
) -> None:
    (tmp_path / ".netrc").write_text("machine more.invalid login user password pass-word\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = await python_report(
        tmp_path,
        UV_INDEX="https://more.invalid/simple https://other.invalid/simple",
        UV_DEFAULT_INDEX="https://user:pass-word@corp.invalid/simple",
    )
    assert found == RegistryReport(
        "Python",
        (
            RegistryUse("https://more.invalid/simple", "UV_INDEX", login=True),
            RegistryUse("https://other.invalid/simple", "UV_INDEX", login=False),
            RegistryUse("https://corp.invalid/simple", "UV_DEFAULT_INDEX", login=True),
        ),
    )
    assert "pass-word" not in str(found)


async def test_settings_that_cannot_be_read_are_the_problem(tmp_path: Path) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("index-url = https://corp.invalid/\n")
    found = await python_report(tmp_path)
    assert (found.registries, found.note) == ((), "")
    assert f"{tmp_path}/pip/pip.conf of this machine cannot be used: line 1" in found.problem


async def test_a_client_that_hangs_is_the_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "_PROGRAM_SECONDS", 0.0)
    found = await python_report(tmp_path)
    assert found.problem == "uv did not answer within 0 s"


async def test_a_proxy_of_the_machine_is_a_problem_unless_the_operator_has_one(
    tmp_path: Path,
) -> None:
    found = await python_report(tmp_path, HTTPS_PROXY="http://proxy.invalid")
    assert "HTTPS_PROXY of this machine names a proxy" in found.problem
    assert [one.source for one in found.registries] == ["uv's default"]
    found = await python_report(tmp_path, upstream=True, HTTPS_PROXY="http://proxy.invalid")
    assert found.problem == ""


async def test_an_index_that_is_a_folder_is_a_problem_and_offline_a_note(tmp_path: Path) -> None:
    found = await python_report(tmp_path, UV_INDEX="./wheels")
    assert found.problem == "an index of UV_INDEX is not an http or https address"
    assert (await python_report(tmp_path, UV_OFFLINE="1")).note == "offline: nothing is downloaded"


async def test_a_client_that_is_not_installed_is_not_a_problem(tmp_path: Path) -> None:
    [_, node, go] = await report_registries({"HOME": str(tmp_path)}, upstream=False)
    assert (node.language, node.problem) == ("Node.js", "")
    assert go == RegistryReport("Go", note="its package client is not installed")


@pytest.mark.needs("npm")
async def test_npm_is_asked_for_its_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_report, "_node", NODE)
    (tmp_path / ".npmrc").write_text("registry=https://r.invalid/\n//r.invalid/:_authToken=t-1\n")
    [_, node, _] = await report_registries({"HOME": str(tmp_path)}, upstream=False)
    use = RegistryUse("https://r.invalid/", str(tmp_path / ".npmrc"), login=True)
    assert node.registries == (use,)
