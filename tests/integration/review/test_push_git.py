"""``fyke worker push https://...`` against a real server that fetches from a real git server."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fyke.cli.main import main
from fyke.kit.addresses import AddressRules
from support.app import SCHEMA
from support.git_sandboxes import sandboxed_git
from support.git_server import GitServer, git, git_server, make_repository
from support.projects import python_project
from support.served import Served, served

pytestmark = pytest.mark.needs("git")

MAIN = "from sdk import CoreSDK\n"
DECLARED = json.dumps({"egress": ["example.com"]})


@dataclass(frozen=True)
class Typed:
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass
class Terminal:
    """Runs commands against a server and a git host."""

    server: Served
    repositories: GitServer

    def type(self, *words: str) -> Typed:
        """Run ``fyke worker push`` in this process."""
        there = ["--url", self.server.base_url, "--key", self.server.app.other_key]
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            patch.setattr(sys, "argv", ["fyke", "worker", "push", *words, *there])
            main()
        return Typed(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    def url(self, name: str) -> str:
        return f"{self.repositories.url}/{name}/.git"

    def count_uploads(self) -> int:
        """Return how many uploads the server still keeps."""
        app = self.server.app
        page = app.services.uploads.page(app.other, offset=0, limit=1)
        return self.server.do(page)[0]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("pushed")
    with git_server(folder) as repositories:
        rules = AddressRules([f"localhost:{repositories.port}"])
        fetching = sandboxed_git(rules, certificates=repositories.certificate)
        home = folder / "home"
        home.mkdir()
        with served(home, templates, git=fetching) as server:
            yield Terminal(server, repositories)
        fetching.close()


def repository(terminal: Terminal, name: str, **files: str) -> Path:
    data = python_project(MAIN, schema=SCHEMA, **files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = {f"workers/it/{item}": archive.read(item) for item in archive.namelist()}
    return make_repository(terminal.repositories.root / name, inside)


def test_a_branch_is_fetched_checked_and_published(terminal: Terminal) -> None:
    folder = repository(terminal, "prices", **{"fyke.json": DECLARED})
    git(folder, "branch", "release")
    command = terminal.type(
        terminal.url("prices"), "--ref", "release", "--folder", "workers/it", "--name", "prices",
        "--title", "Prices", "--private",
    )  # fmt: skip
    assert command.exit_code == 0, command.stderr
    assert "worker   other/prices" in command.stdout and "v1.0.1" in command.stdout
    steps = [line.split()[:2] for line in command.stderr.splitlines()]
    assert steps[:2] == [["fetch", "passed:"], ["archive", "passed:"]]
    assert "declared passed: 1 domain" in command.stderr
    assert "warning: there is no README.md" in command.stderr
    assert terminal.count_uploads() == 0
    second = terminal.type(
        terminal.url("prices"), "--folder", "workers/it", "--name", "prices", "--json"
    )
    printed = second.stdout.splitlines()[-1]  # preceded by log lines of the server in this process
    assert json.loads(printed)["version"] == "v1.0.1", "the same content again"


def test_a_project_that_cannot_be_published_is_reported_and_removed(terminal: Terminal) -> None:
    repository(terminal, "broken", **{"fyke.json": '{"egress": ["https://example.com/"]}'})
    there = terminal.url("broken")
    for words, code, message in (
        ((there, "--folder", "workers/it"), 2, "fyke.json:1: error: egress[0]: domain"),
        ((there,), 2, "error: the project has no entry file"),
        ((there, "--ref", "nowhere"), 1, "no branch, tag or commit 'nowhere'"),
        ((there, "--ref", "--x"), 2, "ref must be the name"),
        ((there, "--folder", ".."), 2, "folder must be the path"),
        (("git@example.com:a/b",), 2, "url: SSH is not supported"),
        (("http://example.com/a",), 2, "url must begin with https://"),
        ((there, "--description", "x"), 2, "--description is for a folder"),
        (("somewhere", "--ref", "main"), 2, "--ref and --folder require the https address"),
    ):
        command = terminal.type(*words)
        assert (command.exit_code, message in command.stderr) == (code, True), (
            words,
            command.stderr,
        )
    assert terminal.count_uploads() == 0
