"""The commands of ``fyke node`` with a real server and a real gateway over one state."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fyke.app.gateway import listening
from fyke.app.node_folder import read_node
from fyke.cli import up
from fyke.cli.errors import Exit, failure_of
from fyke.settings import Settings
from support.app import SECRET
from support.commands import command
from support.served import Served, served


@pytest.fixture
def server(tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    folder = tmp_path / "installation"
    folder.mkdir()
    (folder / "secret.key").write_text(SECRET.hex())
    with served(folder, templates) as server:
        monkeypatch.setenv("FYKE_URL", server.base_url)
        monkeypatch.setenv("FYKE_KEY", server.app.owner_key)
        yield server


@pytest.fixture
def gateway(server: Served, tmp_path: Path) -> Iterator[str]:
    """Its address."""
    settings = Settings(home=tmp_path / "installation").model_copy(update={"gateway_port": 0})
    stack = AsyncExitStack()
    runtime = server.app.runtime(settings)
    host, port = server.do(stack.enter_async_context(listening(runtime)))
    yield f"{host}:{port}"
    server.do(stack.aclose())


def node(*words: object, code: int = 0) -> str:
    """Standard output, or the message of the error. Servers in this process log there too."""
    _, out, error = command("node", *words)
    failure = None if error is None or isinstance(error, SystemExit) else failure_of(error)
    assert (failure.code if failure else 0) == code, (out, error)
    if failure:
        return str(failure)
    return "\n".join(line for line in out.splitlines() if "event=" not in line)


def node_json(*words: object) -> Any:
    return json.loads(node(*words, "--json"))


def test_a_machine_joins_and_is_drained_and_forgotten(gateway: str, tmp_path: Path) -> None:
    made = node_json("token", "--pool", "eu", "--names", "n*", "--uses", 2, "--expires", "2d")
    assert made["expires_at"] - made["created_at"] == 2 * 24 * 3600
    for name in ("n1", "n2"):
        words = ("--token", made["token"], "--name", name, "--home", tmp_path / name)
        joined = node_json("join", gateway, *words)
        assert (joined["name"], joined["pool"], joined["gateways"]) == (name, "eu", [gateway])
    assert [(token["used"], token["uses"]) for token in node_json("tokens")] == [(2, 2)]
    assert [(one["name"], one["state"]) for one in node_json("list")] == [
        ("n1", "ready"), ("n2", "ready"),
    ]  # fmt: skip
    assert node_json("cordon", "n1")["state"] == "cordoned"
    assert node_json("drain", "n1", "--seconds", 60)["state"] == "draining"
    assert node_json("uncordon", "n1") == node_json("show", "n1")
    assert "eu" in node("list") and "n*" in node("tokens") and "eu" in node("show", "n2")
    assert node_json("forget", "n1", "--yes") == {"forgotten": "n1"}
    assert 'no node n1; "fyke node list" lists them' in node("show", "n1", code=Exit.NOT_FOUND)


def test_a_node_joins_as_it_starts_and_again_when_it_was_forgotten(
    gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def supervise(settings: Settings, *_: Any) -> None:
        started.append(read_node(settings.home).own.certificate)

    monkeypatch.setattr(up, "supervise", supervise)
    words = ("up", "--join", gateway, "--name", "n1", "--home", tmp_path / "n1")
    assert "A token is missing" in node(*words, code=Exit.USAGE)
    for expected in (1, 1, 2):
        monkeypatch.setenv("FYKE_NODE_TOKEN", made_token())
        node(*words)
        assert len(set(started)) == expected
        if len(started) == 2:
            node("forget", "n1", "--yes")
    assert [one["name"] for one in node_json("list")] == ["n1"]
    assert "FYKE_NODE_TOKEN" not in os.environ
    node(*words)  # without a token it starts as what it is
    assert started[-1] == started[-2]


def made_token() -> str:
    return str(node_json("token", "--pool", "eu", "--uses", 2)["token"])


def test_a_revoked_token_lets_no_machine_join(gateway: str, tmp_path: Path) -> None:
    token = node("token").strip()
    [listed] = node_json("tokens")
    node("revoke", listed["id"])
    again = node("revoke", listed["id"], code=Exit.CONFLICT)
    assert again == "This token was revoked already"
    words = ("--token", token, "--name", "n1", "--home", tmp_path / "n1")
    assert "revoked" in node("join", gateway, *words, code=Exit.AUTH)
    assert node_json("list") == []


def test_errors_name_what_is_wrong(server: Served) -> None:
    text = node("token", "--uses", 2, code=Exit.USAGE)
    assert text == "--uses: must be 1 for a token without a pool; name a pool"
    words = ("--pool", "E U", "--names", "a*b*", "--label", "A=1", "--uses", 0)
    lines = node("token", *words, code=Exit.USAGE).splitlines()
    assert sorted(line.split(":")[0].strip() for line in lines) == ["--label", "--names", "--pool"]
    assert "--uses: must be" in node("token", "--uses", -1, code=Exit.USAGE)
    assert "must be seconds, or" in node("drain", "n1", "--seconds", -1, code=Exit.USAGE)
    assert "no node n1" in node("forget", "n1", code=Exit.NOT_FOUND)
    assert '"fyke node tokens" lists them' in node("revoke", "T1", code=Exit.NOT_FOUND)
