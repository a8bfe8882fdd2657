"""Installers connect only to the registries that the machine's settings name."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.execution import Environment, EnvironmentFailed, RegistryAway
from fyke.model.worker import Language
from fyke.reasons import ReasonCode
from support import npm_registry, package_index
from support.environments import Workspace, open_workspace
from support.memory import a_runnable_version
from support.npm_registry import Registry, old_npm
from support.package_index import Index

pytestmark = [
    pytest.mark.needs("node", "npm"),
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

PYTHON = a_runnable_version("w", language=Language.PYTHON, requirements="tiny\n")
NODE = a_runnable_version("w", language=Language.NODE)


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with open_workspace() as workspace:
        yield workspace
        assert os.listdir(workspace.setup.work) == []


@pytest.fixture
def index() -> Iterator[Index]:
    with package_index.served() as index:
        index.add_wheel("tiny")
        yield index


@dataclass
class Configured:
    """Installs environments on a machine whose settings name the package registries."""

    workspace: Workspace

    async def install(
        self, *, version: Any = PYTHON, folder: Path = Path("/"), **settings: Any
    ) -> Environment:
        options = {name: settings.pop(name) for name in ("seconds", "upstream") if name in settings}
        environ = {
            "HOME": str(self.workspace.setup.home / "nobody"),
            "PIP_CONFIG_FILE": os.devnull,
            **settings,
        }
        environments = self.workspace.environments(environ, **options)
        return await environments.ensure(version, folder, builds=version.builds)


@pytest.fixture
def configured(workspace: Workspace) -> Configured:
    return Configured(workspace)


async def test_files_may_be_on_another_server_when_all_links_of_the_index_name_it(
    configured: Configured, index: Index
) -> None:
    with package_index.served() as other:
        other.add_wheel("tiny")
        index.files_at = other.base
        result = await configured.install(UV_DEFAULT_INDEX=index.url)
        assert result.path is not None
        assert any("GET /files/tiny-1.0" in request for request in other.requests)
        assert not any("GET /files/" in request for request in index.requests)


async def test_the_page_of_one_package_cannot_send_the_installer_to_another_server(
    configured: Configured, index: Index
) -> None:
    with package_index.served() as other:
        other.add_wheel("tiny")
        index.pages["tiny"] = (
            f'<a href="{other.base}/files/tiny-1.0-py3-none-any.whl">tiny-1.0-py3-none-any.whl</a>'
        )
        with pytest.raises(EnvironmentFailed, match="could not be installed"):
            await configured.install(UV_DEFAULT_INDEX=index.url)
        assert other.requests == []


@pytest.mark.parametrize("how", ["url", "netrc", "variables", "pip"])
async def test_an_index_with_a_login_is_used(
    configured: Configured, index: Index, tmp_path: Path, how: str
) -> None:
    index.login = "user:pass-word"
    url_with_login = index.url.replace("://", "://user:pass-word@")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password pass-word\n")
    (tmp_path / "netrc").chmod(0o600)
    settings = {
        "url": {"UV_DEFAULT_INDEX": url_with_login},
        "netrc": {"UV_DEFAULT_INDEX": index.url, "NETRC": str(tmp_path / "netrc")},
        "variables": {
            "UV_DEFAULT_INDEX": f"corp={index.url}",
            "UV_INDEX_CORP_USERNAME": "user",
            "UV_INDEX_CORP_PASSWORD": "pass-word",
        },
        "pip": {"PIP_INDEX_URL": url_with_login},
    }[how]
    result = await configured.install(**settings)
    assert result.path is not None
    assert "pass-word" not in result.log
    for path in result.path.parent.rglob("*"):
        assert path.is_dir() or b"pass-word" not in path.read_bytes(), path
    building = replace(PYTHON, builds=True)
    with pytest.raises(EnvironmentFailed, match="would see the credentials of") as caught:
        await configured.install(version=building, **settings)
    assert "pass-word" not in str(caught.value)


async def test_a_hanging_registry_does_not_delay_other_installations(
    configured: Configured, index: Index
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        loop = asyncio.get_running_loop()
        started = loop.time()
        waiting = asyncio.create_task(configured.install(UV_DEFAULT_INDEX=url, seconds=3))
        result = await configured.install(
            UV_DEFAULT_INDEX=index.url, version=replace(PYTHON, requirements="")
        )
        assert result.path is not None
        with pytest.raises(EnvironmentFailed, match="within 3 seconds"):
            await waiting
        assert loop.time() - started < 20


async def test_an_unreachable_registry_is_an_error_with_a_log(configured: Configured) -> None:
    with pytest.raises(RegistryAway, match="could not be installed: ") as caught:
        await configured.install(UV_DEFAULT_INDEX="http://127.0.0.1:1/simple", UV_HTTP_RETRIES="0")
    assert caught.value.log


async def test_an_index_that_refuses_the_login_names_the_index(
    configured: Configured, index: Index
) -> None:
    index.login = "user:pass-word"
    url = index.url.replace("://", "://user:wrong-word@")
    with pytest.raises(EnvironmentFailed, match=f"refused the login.*{index.url}") as caught:
        await configured.install(UV_DEFAULT_INDEX=url)
    assert caught.value.reason.code is ReasonCode.REGISTRY_LOGIN
    assert "wrong-word" not in f"{caught.value}{caught.value.log}"


async def test_an_index_that_was_away_while_its_files_were_looked_up_is_asked_again(
    configured: Configured, index: Index
) -> None:
    """The files are on another server, which is only found with an answer of the index."""
    with package_index.served() as other:
        other.add_wheel("tiny")
        index.files_at = other.base
        index.refused = 1
        with pytest.raises(RegistryAway):
            await configured.install(UV_DEFAULT_INDEX=index.url, UV_HTTP_RETRIES="0")
        assert (await configured.install(UV_DEFAULT_INDEX=index.url)).path is not None


@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy"])
async def test_a_proxy_of_the_machine_must_also_be_an_egress_upstream(
    configured: Configured, index: Index, name: str
) -> None:
    proxy = {name: "http://127.0.0.1:1"}
    with pytest.raises(EnvironmentFailed, match=f"{name} of this machine.*FYKE_EGRESS_UPSTREAMS"):
        await configured.install(UV_DEFAULT_INDEX=index.url, **proxy)
    assert (
        await configured.install(UV_DEFAULT_INDEX=index.url, NO_PROXY="127.0.0.1", **proxy)
    ).path


async def test_with_an_upstream_the_proxy_of_the_machine_is_ignored(
    configured: Configured, index: Index
) -> None:
    result = await configured.install(
        UV_DEFAULT_INDEX=index.url, HTTP_PROXY="http://127.0.0.1:1", upstream=True
    )
    assert result.path is not None


@pytest.mark.skipif(old_npm(), reason="this npm is missing, or refused with a login")
async def test_npm_scopes_are_installed_from_their_own_registry(
    configured: Configured, tmp_path: Path
) -> None:
    with (
        npm_registry.served(Registry()) as main,
        npm_registry.served(Registry()) as corp,
    ):
        corp.add("@corp/tool", "1.0.0")
        rc = (
            f"registry={main.url}\n@corp:registry={corp.url}\n"
            f"//{corp.url.removeprefix('http://')}/:_authToken=to-ken\n"
        )
        (tmp_path / ".npmrc").write_text(rc)
        package = {"dependencies": {"@corp/tool": "1.0.0"}}
        (tmp_path / "package.json").write_text(json.dumps(package))
        settings = {"npm_config_userconfig": str(tmp_path / ".npmrc")}
        result = await configured.install(version=NODE, folder=tmp_path, **settings)
        assert result.path is not None
        assert (result.path / "@corp" / "tool" / "index.js").exists()
        assert all("Bearer to-ken" in request for request in corp.requests)
        assert not any("to-ken" in request for request in main.requests)
        building = replace(NODE, builds=True)
        with pytest.raises(EnvironmentFailed, match="credentials of npm's configuration"):
            await configured.install(version=building, folder=tmp_path, **settings)
