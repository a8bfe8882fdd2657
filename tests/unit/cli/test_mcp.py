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
from fyke.cli import mcp_files
from fyke.cli.context import Location, ServerContext
from fyke.cli.main import app


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a program in a known place, and a server that makes keys."""
    made: list[dict[str, Any]] = []
    keys: list[Any] = []
    revoked: list[str] = []

    def create_key(name: str, **options: Any) -> Any:
        assert name not in [key.name for key in keys if not key.revoked_at]
        made.append(options)
        keys.append(SimpleNamespace(name=name, revoked_at=0))
        return SimpleNamespace(id=f"key{len(made)}", key=f"secret{len(made)}")

    client = SimpleNamespace(
        create_key=create_key,
        list_keys=lambda: keys,
        revoke_key=revoked.append,
        close=lambda: None,
        made=made,
        keys=keys,
        revoked=revoked,
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ServerContext, "client", client)
    monkeypatch.setattr(ServerContext, "location", Location("http://127.0.0.1:1", ""))
    monkeypatch.setattr(commands, "_is_valid", lambda connection: True)
    monkeypatch.setattr(commands.socket, "gethostname", lambda: "vm")
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


COMMENTED = """{
    // Servers of this machine.
    "inputs": [],
    "servers": {
        "other": {"type": "http", "url": "http://127.0.0.1:9"},
    }
}
"""


def test_a_file_with_comments_is_left_alone_and_its_entry_works(machine: Path) -> None:
    file = machine / ".config" / "Code" / "User" / "mcp.json"
    file.parent.mkdir(parents=True)
    file.write_text(COMMENTED)
    key_file = machine / ".config" / "fyke" / "mcp" / "vscode.json"
    shown = install("vscode", "--show")
    assert "Without --show, the key of this entry is made" in str(shown.exception)
    assert "without a terminal, confirm with --yes" in str(install("vscode").exception)
    assert (commands.ServerContext.client.made, key_file.exists()) == ([], False)
    done = install("vscode", "--yes", "--spend-cap", "5")
    assert done.exception.code == 5
    assert file.read_text() == COMMENTED
    said = str(done.exception)
    entry = json.loads(said[said.index("\n{") : said.rindex("}") + 1])["servers"]["fyke"]
    assert entry["args"][-4:] == ["--connection", str(key_file), "--spend-cap", "5"]
    assert json.loads(key_file.read_text())["key"] == "secret1"
    assert "fyke key revoke key1" in said
    assert "secret1" not in said


def test_a_key_is_made_only_for_folders_that_can_be_written(machine: Path) -> None:
    (machine / ".config").mkdir()
    (machine / ".config" / "fyke").touch()
    assert "Not a directory" in str(install("cursor", "--yes").exception)
    (machine / ".codex").touch()
    assert "File exists" in str(install("codex", "--yes").exception)
    assert commands.ServerContext.client.made == []


def test_a_key_that_cannot_be_kept_is_revoked(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mcp_files, "write_connection", full)
    said = str(install("cursor", "--yes").exception)
    assert "No space left on device. The key that was made for it is revoked" in said
    assert commands.ServerContext.client.revoked == ["key1"]
    assert not (machine / ".cursor" / "mcp.json").exists()


def test_a_name_that_is_taken_gets_a_number(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = machine / ".config" / "fyke" / "mcp" / "cursor.json"
    for name in ("mcp cursor on vm", "mcp cursor on vm 2", "mcp cursor on vm 3"):
        done = install("cursor", "--yes")
        assert f'Its key "{name}" is in {key_file}; fyke key revoke key' in done.output
        key_file.unlink()
    commands.ServerContext.client.keys[1].revoked_at = 1
    assert "mcp cursor on vm 2" in install("cursor", "--yes").output
    monkeypatch.setattr(commands.socket, "gethostname", lambda: "vm" * 60)
    for _ in range(2):
        key_file.unlink()
        install("cursor", "--yes")
    first, second = (key.name for key in commands.ServerContext.client.keys[-2:])
    assert (len(first), second) == (60, f"{first[:58]} 2")


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
    monkeypatch.setattr(commands, "_confirm", lambda *_: file.write_text('{"new": 1}'))
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


def test_the_change_shows_no_key_of_others(machine: Path) -> None:
    file = machine / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text('[mcp_servers.other]\nenv = {KEY = "of-another"}\n')
    done = install("codex", "--yes", "--spend-cap", "2")
    assert "[mcp_servers.fyke]" in done.output
    assert "of-another" not in done.output


@pytest.mark.parametrize("program", ["codex", "cursor"])
def test_the_spend_cap_stays_until_it_is_removed(machine: Path, program: str) -> None:
    install(program, "--yes", "--spend-cap", "2.5")
    again = install(program, "--yes")
    assert "has this entry already" in again.output
    assert "The spend cap of 2.5 USD stays; --spend-cap none removes it." in again.output
    removed = install(program, "--yes", "--spend-cap", "none")
    assert "no spend cap any more" in removed.output
    assert "spend cap" not in install(program, "--show").output
    assert "amount in US dollars" in str(install(program, "--spend-cap", "much").exception)
