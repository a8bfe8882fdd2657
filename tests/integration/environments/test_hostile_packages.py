"""Hostile packages against an installation with two accounts: no attack succeeds, and a later
installation of the other account is byte for byte the same as without the attack. ``script/test
--all`` runs all attacks, ``script/test`` some.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.execution import Environment, EnvironmentFailed
from fyke.model.worker import Language
from fyke.sandbox.packages import sealing
from fyke.sandbox.process import processes
from support import hostile_packages as hostile
from support import npm_registry, package_index
from support.environments import ACCOUNT, Installing, Workspace, open_workspace
from support.memory import a_runnable_version
from support.npm_registry import Registry
from support.package_index import Index, make_source

pytestmark = [
    pytest.mark.needs("node", "npm"),
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
PYTHON = a_runnable_version("w", language=Language.PYTHON)
NODE = a_runnable_version("w", language=Language.NODE)
MAX_BYTES = 100 * 2**20
NO_NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")


def share(names: Iterable[str], *always: str) -> list[Any]:
    """Run the tests ``always`` in every suite, the others only in the long one."""
    return [
        name if name in always else pytest.param(name, marks=pytest.mark.long) for name in names
    ]


class Canary:
    """A listener of the machine that must not be reached; it records connections."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        canary = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canary.paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(hostile.SECRET.encode())

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@dataclass
class Trial:
    """One installation with two accounts; the seals of the second are known without an attack."""

    workspace: Workspace
    canary: Canary
    index: Index
    registry: Registry
    clean: Path  # a folder whose package.json requires a harmless package
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.workspace.setup.home

    @property
    def places(self) -> dict[str, Any]:
        return {
            "home": self.home,
            "canary": self.canary.port,
            "index": self.index.base,
            "mark": self.home / "ran",
        }

    def installing(self, seconds: float = 60) -> Installing:
        environ = {
            "UV_DEFAULT_INDEX": self.index.url,
            "npm_config_registry": self.registry.url,
            "HOME": str(self.home / "nobody"),
            "PIP_CONFIG_FILE": os.devnull,
        }
        return self.workspace.environments(environ, max_bytes=MAX_BYTES, seconds=seconds)

    async def install(
        self, version: Any, folder: Path, builds: bool, seconds: float = 60
    ) -> Environment | EnvironmentFailed:
        """Install a hostile package for the first account."""
        asking = replace(version, builds=builds)
        try:
            return await self.installing(seconds).ensure(asking, folder, ACCOUNT, builds)
        except EnvironmentFailed as error:
            return error

    async def clean_seal(self, version: Any, account: str = OTHER) -> sealing.Seal:
        """Reinstall for the second account with the current caches; return the seal."""
        clean = replace(version, requirements="clean==1.0\n", worker_id="other")
        environment = await self.installing().ensure(clean, self.clean, account)
        assert environment.path is not None
        seal = sealing.read_tree(environment.path)
        shutil.rmtree(environment.path.parent)
        return seal

    def check(self) -> None:
        """Check that no canary was reached, nothing was sent, and no process or file is left."""
        assert self.canary.paths == []
        sent = "\n".join([*self.index.requests, *self.registry.requests])
        assert hostile.SECRET not in sent
        assert "root:" not in sent
        assert not (self.home / "ran").exists()
        assert (self.home / "state.db").read_text() == hostile.SECRET
        assert (self.cache / "kept").read_text() == hostile.SECRET
        assert os.listdir(self.workspace.setup.work) == []
        assert set(os.listdir(self.home)) == self.before["home"]
        escaped = [path for path in self.home.rglob("escaped*") if "evil" not in path.parts]
        assert escaped == []
        live = processes.with_work_folders(frozenset(self.before["names"]))
        assert not live

    @property
    def cache(self) -> Path:
        return self.home / "tool-caches" / f"{OTHER}-UV"


@pytest.fixture
def canary() -> Iterator[Canary]:
    new_canary = Canary()
    thread = threading.Thread(
        target=new_canary.server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    yield new_canary
    new_canary.server.shutdown()
    thread.join()
    new_canary.server.server_close()


@pytest.fixture
async def trial(
    canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trial]:
    monkeypatch.setenv("FYKE_SECRET", hostile.SECRET)
    monkeypatch.setenv("UV_PUBLISH_TOKEN", hostile.SECRET)
    with package_index.served() as index, npm_registry.served(Registry()) as registry:
        index.add_wheel("clean")
        registry.add("clean", "1.0.0")
        (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"clean": "1.0.0"}}))
        async with open_workspace() as workspace:
            trial = Trial(workspace, canary, index, registry, tmp_path)
            (trial.home / "state.db").write_text(hostile.SECRET)
            (trial.home / "state.db").chmod(0o600)
            yield trial


async def begin(trial: Trial, version: Any) -> sealing.Seal:
    """Install for the second account before any attack, and put a secret into its cache."""
    clean = await trial.clean_seal(version)
    trial.cache.mkdir(exist_ok=True)
    (trial.cache / "kept").write_text(hostile.SECRET)
    owner = trial.cache.stat()  # the file belongs to the account, like the others in the cache
    os.chown(trial.cache / "kept", owner.st_uid, owner.st_gid)
    trial.before = {"home": set(os.listdir(trial.home)), "names": ["none"]}
    trial.index.requests.clear()
    trial.registry.requests.clear()
    return clean


def loot(made: Environment, name: str) -> str:
    assert made.path is not None
    (file,) = made.path.rglob(f"{name}/loot.txt")
    return file.read_text()


# --- Python


@pytest.mark.parametrize("name", share(hostile.PYTHON_BUILDS, "database", "loopback"))
async def test_an_attack_during_a_build_reaches_nothing(trial: Trial, name: str) -> None:
    clean = await begin(trial, PYTHON)
    attack = hostile.PYTHON_BUILDS[name].format(**trial.places)
    trial.index.add(*make_source("evil", attack))
    version = replace(PYTHON, requirements="evil\n")
    refused = await trial.install(version, trial.clean, builds=False)
    assert isinstance(refused, EnvironmentFailed)
    assert "ready-made wheel" in str(refused)
    result = await trial.install(version, trial.clean, builds=True)
    if name not in ("cache_of_uv", "forks"):  # these may break the attacker's own build
        assert isinstance(result, Environment), (str(result), getattr(result, "log", ""))
        assert loot(result, "evil").startswith("denied: ")
    trial.check()
    assert await trial.clean_seal(PYTHON, ACCOUNT) == clean  # its installation without builds
    assert await trial.clean_seal(PYTHON) == clean


async def test_the_test_detects_a_successful_attack(trial: Trial) -> None:
    """Try an allowed action in the same way; its success must be reported."""
    await begin(trial, PYTHON)
    attack = hostile.each("{index}/simple/clean/") + "\n"
    trial.index.add(*make_source("evil", attack.format(**trial.places)))
    version = replace(PYTHON, requirements="evil\n")
    result = await trial.install(version, trial.clean, builds=True)
    assert isinstance(result, Environment)
    assert "clean-1.0-py3-none-any.whl" in loot(result, "evil")
    trial.check()


@pytest.mark.parametrize("name", share(hostile.PYTHON_REFUSED, "link_out"))
async def test_an_attack_by_files_of_a_build_reaches_nothing(trial: Trial, name: str) -> None:
    clean = await begin(trial, PYTHON)
    attack, message = hostile.PYTHON_REFUSED[name]
    trial.index.add(*make_source("evil", attack.format(**trial.places)))
    version = replace(PYTHON, requirements="evil\n")
    seconds = 3 if name == "hang" else 60
    result = await trial.install(version, trial.clean, builds=True, seconds=seconds)
    assert isinstance(result, EnvironmentFailed), "it was taken"
    assert re.search(message, str(result)), str(result)
    trial.check()
    assert await trial.clean_seal(PYTHON) == clean


@pytest.mark.parametrize("name", share(hostile.WHEELS, "pth", "parent"))
async def test_a_wheel_with_hostile_content_is_refused_or_harmless(trial: Trial, name: str) -> None:
    clean = await begin(trial, PYTHON)
    content = hostile.WHEELS[name]("evil")
    trial.index.add("evil-1.0-py3-none-any.whl", content)
    version = replace(PYTHON, requirements="evil\n")
    result = await trial.install(version, trial.clean, builds=False)
    if isinstance(result, Environment):
        assert result.path is not None
        python = result.path / "bin" / "python"
        assert python.readlink() == Path("/usr/bin/python3")
        for path in result.path.rglob("*"):
            mode = path.lstat().st_mode
            linked = stat.S_ISLNK(mode) and path.parent.name == "bin"
            assert linked or stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
            assert not mode & 0o6000, path
    trial.check()
    assert await trial.clean_seal(PYTHON) == clean


@pytest.mark.parametrize("name", share(["page", "redirect", "file_redirect", "metadata"], "page"))
async def test_an_index_page_with_a_link_to_an_internal_address_is_refused(
    trial: Trial, name: str
) -> None:
    clean = await begin(trial, PYTHON)
    inside = f"http://127.0.0.1:{trial.canary.port}/evil-1.0-py3-none-any.whl"
    here = "/files/evil-1.0-py3-none-any.whl"
    if name == "page":
        trial.index.pages["evil"] = f'<a href="{inside}">evil-1.0-py3-none-any.whl</a>'
    elif name == "redirect":
        trial.index.moved["/simple/evil/"] = inside
    elif name == "file_redirect":
        trial.index.pages["evil"] = f'<a href="{here}">evil-1.0-py3-none-any.whl</a>'
        trial.index.moved[here] = inside
    else:
        text = f"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\nRequires-Dist: x @ {inside}\n"
        extra: dict[str, str | bytes] = {"evil-1.0.dist-info/METADATA": text}
        trial.index.add("evil-1.0-py3-none-any.whl", hostile._bad_wheel("evil", extra, {}))
    version = replace(PYTHON, requirements="evil\n")
    result = await trial.install(version, trial.clean, builds=False)
    assert isinstance(result, EnvironmentFailed)
    trial.check()
    assert await trial.clean_seal(PYTHON) == clean


# --- npm


def ask_for(trial: Trial, folder: Path, package: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps(package))
    return folder


@NO_NPM
@pytest.mark.parametrize("name", share(hostile.NODE_BUILDS, "loopback"))
async def test_an_attack_by_an_install_hook_reaches_nothing(
    trial: Trial, tmp_path: Path, name: str
) -> None:
    clean = await begin(trial, NODE)
    hook = hostile.NODE_BUILDS[name].format(**trial.places)
    package = {"name": "evil", "version": "1.0.0", "scripts": {"postinstall": "node hook.js"}}
    trial.registry.add(**package, hasInstallScript=True)
    trial.registry.raw["evil"] = hostile.tar(
        [
            ("file", json.dumps(package), "package/package.json"),
            ("file", hook, "package/hook.js"),
        ]
    )
    folder = ask_for(trial, tmp_path / "evil", {"dependencies": {"evil": "1.0.0"}})
    plain = await trial.install(NODE, folder, builds=False)
    assert isinstance(plain, Environment), (str(plain), getattr(plain, "log", ""))
    assert not list(plain.path.rglob("loot.txt"))  # type: ignore[union-attr]
    result = await trial.install(NODE, folder, builds=True)
    if name == "own_link":
        assert isinstance(result, EnvironmentFailed)
        assert "link or device 'link'" in str(result)
    else:
        assert isinstance(result, Environment), (str(result), getattr(result, "log", ""))
        assert loot(result, "evil").startswith("denied")
    trial.check()
    assert await trial.clean_seal(NODE) == clean


@NO_NPM
@pytest.mark.parametrize("builds", [False, True])
@pytest.mark.parametrize("name", share(hostile.NODE_TARBALLS))
async def test_a_tarball_with_hostile_content_is_refused_or_harmless(
    trial: Trial, tmp_path: Path, name: str, builds: bool
) -> None:
    clean = await begin(trial, NODE)
    package = json.dumps({"name": "evil", "version": "1.0.0"})
    trial.registry.add("evil", "1.0.0")
    entries = [
        (kind, text.format(**trial.places) if isinstance(text, str) else text, path)
        for kind, text, path in hostile.NODE_TARBALLS[name]
    ]
    trial.registry.raw["evil"] = hostile.tar([("file", package, "package/package.json"), *entries])
    folder = ask_for(trial, tmp_path / "evil", {"dependencies": {"evil": "1.0.0"}})
    result = await trial.install(NODE, folder, builds=builds)
    if isinstance(result, Environment):
        assert result.path is not None
        assert not any(path.is_symlink() or path.is_fifo() for path in result.path.rglob("*"))
    trial.check()
    assert await trial.clean_seal(NODE) == clean


@NO_NPM
@pytest.mark.parametrize("name", share([*hostile.NODE_PACKAGES, "tarball_elsewhere"], "hooks"))
async def test_an_attack_by_a_package_manifest_reaches_nothing(
    trial: Trial, tmp_path: Path, name: str
) -> None:
    clean = await begin(trial, NODE)
    fields = json.loads(
        json.dumps(hostile.NODE_PACKAGES.get(name, {}))
        .replace("{canary}", str(trial.canary.port))
        .replace("{mark}", str(trial.home / "ran"))
    )
    trial.registry.add("evil", "1.0.0", **fields)
    if name == "tarball_elsewhere":
        real = trial.registry.answer
        inside = f"http://127.0.0.1:{trial.canary.port}/evil.tgz"
        own = f"{trial.registry.url}/evil.tgz"
        trial.registry.answer = (  # type: ignore[method-assign]
            lambda path: real(path).replace(own.encode(), inside.encode())
        )
    folder = ask_for(trial, tmp_path / "evil", {"dependencies": {"evil": "1.0.0"}})
    result = await trial.install(NODE, folder, builds=False)
    if isinstance(result, Environment):
        assert result.path is not None
        assert not any(path.is_symlink() for path in result.path.rglob("*"))
    trial.check()
    assert await trial.clean_seal(NODE) == clean
