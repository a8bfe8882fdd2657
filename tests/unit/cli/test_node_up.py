"""``fyke node up`` until it becomes the supervisor; an e2e test runs all of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.app.node_folder import NodeFolder, write_node
from fyke.app.role_settings import stored
from fyke.cli import handover, root_start
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node_up import up
from support.commands import command
from support.node_folders import a_node

NO_INSTALLATION = "The folder {folder} is that of a node: start it with fyke node up"


class Replaced(Exception):
    """This program would be another one now."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the supervisor gets; run as a plain user."""
    found: dict[str, Any] = {}

    def exec_module(module: str, data: Any, environment: Any, *descriptors: int) -> None:
        found.update(data, module=module, environment=environment, descriptors=descriptors)
        raise Replaced

    monkeypatch.setattr(handover, "exec_module", exec_module)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    before, mask = signal.getsignal(signal.SIGINT), os.umask(0o022)
    yield found
    os.umask(mask)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def node(tmp_path: Path) -> NodeFolder:
    node = a_node(("gateway.example:9000", "[::1]:9"))
    write_node(tmp_path, node)
    return node


def test_a_node_becomes_the_supervisor_of_its_roles(
    became: dict[str, Any], node: NodeFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Replaced):
        up(str(tmp_path))
    assert (
        capfd.readouterr().err == "Node n1 of the pool eu; gateway gateway.example:9000 [::1]:9\n"
    )
    assert became["module"] == "fyke.cli.supervise"
    assert (became["listener"], became["first_job"]) == (None, None)
    assert became["settings"] in became["descriptors"]
    assert stored(became["settings"]).home == tmp_path
    assert became["environment"]["FYKE_HOME"] == str(tmp_path)
    assert became["environment"]["FYKE_NODE_LEAVE"] == "0"
    assert (tmp_path / "work").is_dir() and not [*tmp_path.glob("*.db")]
    assert not (tmp_path / "secret.key").exists()


def test_it_says_which_settings_are_ignored(
    became: dict[str, Any],
    node: NodeFolder,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = 'lease_seconds = 20\negress_allow = ["10.0.0.5:80"]\nrunner_slots = 2\n'
    (tmp_path / "config.toml").write_text(text + 'egress_upstreams = {US = "http://u:pw@a:1"}\n')
    monkeypatch.setenv("FYKE_PRICE_CPU_HOUR", "0.05")
    with pytest.raises(Replaced):
        up(str(tmp_path))
    first, _ = capfd.readouterr().err.splitlines()
    names = "egress_allow, egress_upstreams, price_cpu_hour"
    assert {*first.removeprefix("fyke: ").partition(": ignored")[0].split(", ")} == {
        *names.split(", ")
    }
    assert "pw" not in first


def test_it_says_what_it_is_as_json(
    became: dict[str, Any], node: NodeFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Replaced):
        up(str(tmp_path), as_json=True)
    assert json.loads(capfd.readouterr().out) == {
        "name": "n1",
        "pool": "eu",
        "gateways": ["gateway.example:9000", "[::1]:9"],
    }


def test_another_folder_is_refused_and_left_as_it_is(
    became: dict[str, Any], tmp_path: Path
) -> None:
    _, _, error = command("node", "up", "--home", tmp_path)
    assert isinstance(error, CommandFailed) and error.code is Exit.CONFLICT
    assert "fyke node join" in str(error) and "--home" in str(error)
    assert [*tmp_path.iterdir()] == [] and became == {}


@pytest.mark.parametrize(
    ("words", "user", "code", "text"),
    [
        ("up", 0, Exit.CONFLICT, NO_INSTALLATION),
        ("up", 1000, Exit.CONFLICT, NO_INSTALLATION),
        ("serve --role runner", 1000, Exit.CONFLICT, NO_INSTALLATION),
        ("serve --role runner", 0, Exit.USAGE, "A role does not run as root"),
    ],
)
def test_the_folder_of_a_node_is_no_installation(
    became: dict[str, Any],
    node: NodeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    user: int,
    code: Exit,
    text: str,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    _, _, error = command(*words.split(), "--home", tmp_path)
    assert isinstance(error, CommandFailed) and error.code is code
    assert text.format(folder=tmp_path) in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_root_starts_it_again_as_the_owner_of_the_folder(
    became: dict[str, Any], node: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("sys.argv", ["fyke", "node", "up", "--json"])
    started: list[list[str]] = []

    def start_as_root(_: Any, arguments: list[str]) -> None:
        started.append(arguments)
        raise Replaced

    monkeypatch.setattr(root_start, "start_as_root", start_as_root)
    _, out, error = command("node", "up", "--home", tmp_path, "--json")
    assert isinstance(error, Replaced) and out == ""  # that process prints
    assert started == [["node", "up", "--json", "--home", str(tmp_path)]]


def test_without_a_token_the_variable_is_named_and_no_option_that_is_missing(
    became: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FYKE_NODE_TOKEN", raising=False)
    _, _, error = command("node", "up", "--home", tmp_path / "n", "--join", "127.0.0.1:9")
    assert isinstance(error, CommandFailed)
    assert "with the variable FYKE_NODE_TOKEN" in str(error) and "--token" not in str(error)


def test_a_node_that_is_to_leave_does_not_pass_its_token_on(
    became: dict[str, Any], node: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_NODE_TOKEN", "fyken_x.y")
    with pytest.raises(Replaced):
        up(str(tmp_path), leave=True, idle_minutes=2.5)
    assert became["environment"]["FYKE_NODE_LEAVE"] == "1"
    assert became["environment"]["FYKE_NODE_IDLE_MINUTES"] == "2.5"
    assert "FYKE_NODE_TOKEN" not in became["environment"]
