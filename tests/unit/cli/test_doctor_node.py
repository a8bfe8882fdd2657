"""What ``fyke doctor`` says of the folder of a node."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.app import node_folder
from fyke.app.node_folder import NodeFolder
from fyke.cli import doctor
from fyke.cli.main import app
from fyke.errors import InvalidRequest, Unavailable
from fyke.kit.certificates import new_authority, new_request, sign_client
from fyke.wire.nodes import KnownNode, UnknownNode


def test_the_folder_of_a_node_is_checked_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("check_machine", "check_registries", "check_browser"):
        monkeypatch.setattr(doctor, name, lambda *_: iter([]))
    monkeypatch.setattr(doctor, "check_isolation", lambda *_: ("full", "", []))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def lines() -> list[str]:
        return CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)]).stdout.splitlines()

    with socket.create_server(("127.0.0.1", 0)) as gateway:
        where = f"127.0.0.1:{gateway.getsockname()[1]}"
    join_as_node(tmp_path, where, expires_in=3600)
    missing = lines()
    assert f"no answer of the gateway {where}: No connection to {where}: Conn" in missing[0]
    assert missing[0].startswith("failed") and "reaches the port" in missing[1]
    answers: list[Any] = [KnownNode("192.0.2.3", 1_790_000_000_000)]
    monkeypatch.setattr(node_folder, "ask_gateway", lambda *_: answers[0])
    known = lines()
    assert known[0].startswith("ok ") and known[0].endswith(" at 192.0.2.3")
    assert "n1 of the pool eu; certificate until 20" in known[0]
    assert f"gateway {where} knows it, last seen 2026-09-2" in known[0]
    assert not any(name in line for line in known for name in ("server", "database"))
    join_as_node(tmp_path, where, "127.0.0.1:9", expires_in=3600)

    def answer_one(_: NodeFolder, address: tuple[str, int]) -> Any:
        if address[1] == 9:
            raise Unavailable("it is away")
        return answers[0]

    monkeypatch.setattr(node_folder, "ask_gateway", answer_one)
    half = lines()
    assert half[0].startswith("warning") and f"gateway {where} knows it" in half[0]
    assert half[0].endswith("no answer of the gateway 127.0.0.1:9: it is away")
    monkeypatch.setattr(node_folder, "ask_gateway", lambda *_: answers[0])
    (tmp_path / "config.toml").write_text("site_rate = 5\nrunner_slots = 3\n")
    ignored = lines()
    assert ignored[1].split(None, 2) == [
        "warning",
        "settings",
        "site_rate: ignored, because a node uses those of its installation",
    ]
    (tmp_path / "config.toml").unlink()
    answers[0] = UnknownNode()
    forgotten = lines()
    assert forgotten[0].startswith("failed") and "has forgotten this node" in forgotten[0]
    assert f"delete {tmp_path / 'node.json'} and join again" in forgotten[1]
    monkeypatch.setattr(node_folder, "ask_gateway", raising(InvalidRequest("another protocol")))
    earlier = lines()
    assert earlier[0].startswith("warning") and "cannot say whether it knows" in earlier[0]
    assert "upgrade the installation" in earlier[1]
    join_as_node(tmp_path, where, expires_in=-3600)
    expired = lines()
    assert expired[0].startswith("failed") and f"delete {tmp_path / 'node.json'}" in expired[1]
    (tmp_path / "node.json").write_text("{")
    damaged = lines()
    assert damaged[0].endswith(f"{tmp_path / 'node.json'} is damaged: it is not JSON")
    assert damaged[1].endswith("-> delete it, and join again with fyke node join")
    monkeypatch.setattr(node_folder, "read_node", raising(PermissionError(13, "Permission denied")))
    others = lines()
    assert others[0].endswith("node.json cannot be read: Permission denied")
    assert others[1].endswith("-> run this command as its owner")


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def join_as_node(home: Path, *gateways: str, expires_in: float) -> None:
    """The folder of a node whose certificate expires in these seconds."""
    now = time.time()
    authority = new_authority("test", now - 7200, 9000)
    request = new_request()
    own = sign_client(authority, request.certificate, "fyke:n1", now - 7200, 7200 + expires_in)
    kept = {"name": "n1", "pool": "eu", "labels": {}, "gateways": gateways}
    keys = {"authority": authority.certificate, "certificate": own, "key": request.key}
    (home / "node.json").write_text(json.dumps(kept | keys))
