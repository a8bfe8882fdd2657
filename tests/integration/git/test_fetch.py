"""Fetching from a real git server over TLS."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.git import FetchedProject, GitFailed
from fyke.domain.workers.project import read_project
from fyke.errors import InvalidRequest
from fyke.git.fetch import SystemGit
from fyke.git.process import GitLimits
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from fyke.model.upload import GitSource
from support.git_sandboxes import sandboxed_git
from support.git_server import GitServer, commit, git, git_server, make_repository

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "git")]
FILES: dict[str, str | bytes] = {
    "main.py": "print('one')\n",
    "input_schema.json": '{"properties": []}',
    "README.md": "# Prices\n\nReads prices.\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with git_server(tmp_path_factory.mktemp("git")) as server:
        make_repository(server.root / "prices", FILES)
        git(server.root / "prices", "tag", "-a", "v1", "-m", "first")
        commit(server.root / "prices", {"main.py": "print('two')\n", "sub/main.py": "print(3)\n"})
        yield server


Maker = Callable[..., SystemGit]


@pytest.fixture
async def make(server: GitServer) -> AsyncIterator[Maker]:
    fetchers: list[SystemGit] = []

    def maker(**options: Any) -> SystemGit:
        rules = options.pop("rules", AddressRules([f"localhost:{server.port}"]))
        fetcher = sandboxed_git(rules, **({"certificates": server.certificate} | options))
        fetchers.append(fetcher)
        return fetcher

    yield maker
    for item in fetchers:
        item.close()


def names(fetched: FetchedProject) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(fetched.archive)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def address(server: GitServer, name: str = "prices") -> str:
    return f"{server.url}/{name}/.git"


async def test_branches_tags_and_commits_are_fetched(server: GitServer, make: Maker) -> None:
    fetcher, progress = make(), []
    head = git(server.root / "prices", "rev-parse", "HEAD")
    first = git(server.root / "prices", "rev-parse", "v1^{commit}")
    newest = await fetcher.fetch(GitSource(address(server)), progress.append)
    assert newest.commit == head
    assert names(newest)["main.py"] == b"print('two')\n"
    assert read_project(newest.archive).title == "Prices"
    assert any(head[:12] in line for line in progress)
    for ref, commit_id in (("main", head), ("v1", first), (first, first)):
        fetched = await fetcher.fetch(GitSource(address(server), ref), progress.append)
        assert fetched.commit == commit_id
    assert names(fetched)["main.py"] == b"print('one')\n"


async def test_a_folder_of_the_repository_is_fetched(server: GitServer, make: Maker) -> None:
    fetcher = make()
    fetched = await fetcher.fetch(GitSource(address(server), "", "/sub/"), print)
    assert names(fetched) == {"main.py": b"print(3)\n"}
    with pytest.raises(InvalidRequest, match="no folder 'nowhere'"):
        await fetcher.fetch(GitSource(address(server), "", "nowhere"), print)


@pytest.mark.parametrize(
    ("name", "ref", "words"),
    [
        ("prices", "nowhere", "no branch, tag or commit 'nowhere'"),
        ("prices", "abcdef1", "all 40 characters"),
        ("prices", "0" * 40, "no branch, tag or commit"),
        ("absent", "", "no public repository at this address"),
    ],
)
async def test_missing_repositories_and_branches_are_reported(
    server: GitServer, make: Maker, name: str, ref: str, words: str
) -> None:
    with pytest.raises(GitFailed, match=words):
        await make().fetch(GitSource(address(server, name), ref), print)


async def test_an_internal_address_is_refused_unless_exempted(
    server: GitServer, make: Maker
) -> None:
    before = len(server.requests)
    with pytest.raises(GitFailed, match="on the public internet; FYKE_GIT_ALLOW"):
        await make(rules=AddressRules()).fetch(GitSource(address(server)), print)
    with pytest.raises(GitFailed, match="not on the public internet"):
        url = f"https://127.0.0.1:{server.port}/prices/.git"
        await make(rules=AddressRules()).fetch(GitSource(url), print)
    assert len(server.requests) == before


async def test_only_the_checked_address_is_dialled(server: GitServer, make: Maker) -> None:
    """The system's resolver does not know the name; git connects to the platform's answer."""
    name = "prices.invalid"
    resolver = Resolver(lambda _: ("127.0.0.1",))
    fetcher = make(rules=AddressRules([f"127.0.0.1:{server.port}"]), resolver=resolver)
    with pytest.raises(GitFailed, match="TLS: the certificate"):  # so the connection was made
        await fetcher.fetch(GitSource(f"https://{name}:{server.port}/prices/.git"), print)
    mixed = Resolver(lambda _: ("93.184.216.34", "127.0.0.1"))
    with pytest.raises(GitFailed, match="has no address on the public internet"):
        url = f"https://{name}:{server.port}/prices/.git"
        await make(rules=AddressRules(), resolver=mixed).fetch(GitSource(url), print)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    server: GitServer, make: Maker
) -> None:
    with pytest.raises(GitFailed, match="TLS: the certificate"):
        await make(certificates=None).fetch(GitSource(address(server)), print)


async def test_a_redirect_is_not_followed(server: GitServer, make: Maker) -> None:
    server.redirect = f"https://127.0.0.1:{server.port}"
    try:
        with pytest.raises(GitFailed, match="has moved"):
            await make().fetch(GitSource(address(server)), print)
    finally:
        server.redirect = ""


async def test_settings_and_credentials_of_this_machine_are_not_used(
    server: GitServer, make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        '[url "https://127.0.0.1:9/"]\n insteadOf = https://localhost\n'
    )
    (home / ".netrc").write_text("machine localhost login ada password secret\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.sshCommand")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "false")
    fetched = await make().fetch(GitSource(address(server)), print)
    assert "main.py" in names(fetched)


async def test_no_code_of_the_repository_runs(
    server: GitServer, make: Maker, tmp_path: Path
) -> None:
    """The repository has filters, hooks and submodules, which a checkout would run."""
    trap = tmp_path / "trap"
    folder = make_repository(
        server.root / "hostile",
        {
            **FILES,
            ".gitattributes": "* filter=trap export-ignore\n",
            ".lfsconfig": f"[lfs]\n url = file://{trap}\n",
            ".githooks/post-checkout": f"#!/bin/sh\ntouch {trap}\n",
        },
    )
    inner = make_repository(server.root / "inner", {"file": "x"})
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "part")
    git(folder, "commit", "-q", "-m", "with a part")
    progress: list[str] = []
    fetched = await make().fetch(GitSource(address(server, "hostile")), progress.append)
    assert {"main.py", ".gitattributes"} <= set(names(fetched))
    assert "the submodule part is left out" in progress
    assert not trap.exists()


async def test_the_error_for_a_link_names_it(server: GitServer, make: Maker) -> None:
    folder = make_repository(server.root / "links", FILES)
    os.symlink("/etc/passwd", folder / "secrets.txt")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "link")
    with pytest.raises(InvalidRequest, match=r"secrets\.txt: it is a symbolic link"):
        await make().fetch(GitSource(address(server, "links")), print)


async def test_a_repository_that_grows_too_large_is_stopped(server: GitServer, make: Maker) -> None:
    make_repository(server.root / "large", {**FILES, "data.bin": os.urandom(3 * 2**20)})
    with pytest.raises(GitFailed, match="larger than 1 MiB"):
        fetcher = make(limits=GitLimits(folder=2**20))
        await fetcher.fetch(GitSource(address(server, "large")), print)


async def test_a_silent_server_times_out(server: GitServer, make: Maker) -> None:
    server.hold = threading.Event()
    try:
        with pytest.raises(GitFailed, match="did not arrive within 1 s"):
            await make(limits=GitLimits(seconds=1)).fetch(GitSource(address(server)), print)
    finally:
        server.hold.set()
        server.hold = None


async def test_a_machine_without_git_is_reported(
    server: GitServer, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.git.fetch.PATH", "/nowhere")
    fetcher = make()
    assert "not installed" in await fetcher.unavailable_reason()
    with pytest.raises(GitFailed, match="upload a ZIP"):
        await fetcher.fetch(GitSource(address(server)), print)
