"""``fyke mcp``: the entry and the key that it installs, and files that it does not change."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli import mcp as commands
from fyke.cli.context import Location, ServerContext
from fyke.cli.main import app


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a program in a known place, and a server that makes keys."""
    made: list[dict[str, Any]] = []

    def create_key(name: str, **options: Any) -> Any:
        made.append(options)
        return SimpleNamespace(id=f"key{len(made)}", key=f"secret{len(made)}")

    client = SimpleNamespace(create_key=create_key, close=lambda: None, made=made)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ServerContext, "client", client)
    monkeypatch.setattr(ServerContext, "location", Location("http://127.0.0.1:1", ""))
    monkeypatch.setattr(commands, "_is_valid", lambda connection: True)
    return tmp_path


def install(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["mcp", "install", *arguments])


def test_install_writes_an_entry_and_a_private_key(machine: Path) -> None:
    file = machine / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{"mcpServers": {}}')
    file.chmod(0o640)
    shown = install("cursor", "--show")
    assert shown.exit_code == 0, shown.output
    assert '+    "fyke"' in shown.output
    assert file.read_text() == '{"mcpServers": {}}'
    assert install("cursor").exception.code == 2  # no terminal, and no --yes
    done = install("cursor", "--yes", "--spend-cap", "2.5", "--json")
    assert done.exit_code == 0, done.output
    entry = json.loads(file.read_text())["mcpServers"]["fyke"]
    key_file = machine / ".config" / "fyke" / "mcp" / "cursor.json"
    assert entry["args"][-4:] == ["--connection", str(key_file), "--spend-cap", "2.5"]
    assert "secret1" not in file.read_text() + done.output
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert json.loads(key_file.read_text())["key"] == "secret1"
    assert commands.ServerContext.client.made == [{"scopes": ("run", "read")}]
    copies = list(file.parent.glob("mcp.json.before-fyke-*"))
    assert [copy.read_text() for copy in copies] == ['{"mcpServers": {}}']
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    again = install("cursor", "--yes", "--spend-cap", "2.5")
    assert again.exit_code == 0
    assert len(commands.ServerContext.client.made) == 1
    assert len(list(file.parent.glob("mcp.json.before-fyke-*"))) == 1


def test_install_does_not_touch_a_file_that_it_cannot_parse(machine: Path) -> None:
    file = machine / ".claude.json"
    file.write_text("{oops")
    refused = install("claude", "--yes")
    assert refused.exit_code != 0
    assert file.read_text() == "{oops"
    assert not (machine / ".config").exists()


def test_a_connection_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('{"url": "http://127.0.0.1:1", "key": "k", "key_id": "i"}')
    file.chmod(0o644)
    refused = CliRunner().invoke(app, ["mcp", "--connection", str(file)])
    assert "chmod 600" in str(refused.exception)


def test_a_change_by_another_program_is_not_lost(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = machine / ".claude.json"
    file.write_text("{}")
    monkeypatch.setattr(commands, "_confirm", lambda _: file.write_text('{"new": 1}'))
    refused = install("claude")
    assert "changed by another program" in str(refused.exception)
    assert file.read_text() == '{"new": 1}'


@pytest.mark.parametrize(
    ("text", "mode"),
    [("{oops", 0o600), ('{"url": "http://127.0.0.1:1", "key": "k", "key_id": "i"}', 0o644)],
)
def test_a_broken_connection_is_replaced(machine: Path, text: str, mode: int) -> None:
    key_file = machine / ".config" / "fyke" / "mcp" / "cursor.json"
    key_file.parent.mkdir(parents=True)
    key_file.write_text(text)
    key_file.chmod(mode)
    done = install("cursor", "--yes")
    assert done.exit_code == 0, done.output
    assert json.loads(key_file.read_text())["key"] == "secret1"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_key_that_is_not_used_any_more_is_named(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install("cursor", "--yes").exit_code == 0
    monkeypatch.setattr(commands, "_is_valid", lambda connection: False)
    assert "key1 of http://127.0.0.1:1 is not used any more" in install("cursor", "--yes").output


def test_the_change_shows_no_key_of_others_and_names_a_lost_cap(machine: Path) -> None:
    file = machine / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text('[mcp_servers.other]\nenv = {KEY = "of-another"}\n')
    done = install("codex", "--yes", "--spend-cap", "2")
    assert "[mcp_servers.fyke]" in done.output
    assert "of-another" not in done.output
    assert "no spend cap any more" in install("codex", "--show").output
