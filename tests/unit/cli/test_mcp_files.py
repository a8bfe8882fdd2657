"""Keys in files that only their user reads, and replacements that leave the old file or the new."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fyke.cli import mcp_files
from fyke.cli.errors import CommandFailed
from fyke.cli.mcp_files import (
    McpConnection,
    connection_file,
    keep_copy,
    prepare_folder,
    read_connection,
    replace_file,
    write_connection,
)

CONNECTION = McpConnection("http://127.0.0.1:1", "secret", "id", "mcp cursor on vm")


def test_a_connection_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = connection_file(tmp_path, "cursor")
    write_connection(file, CONNECTION)
    assert read_connection(file) == CONNECTION
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in repr(CONNECTION)


@pytest.mark.parametrize("text", ["", "[]", "{oops", '{"url": "http://127.0.0.1:1"}'])
def test_another_file_is_no_connection(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cursor.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(CommandFailed, match="install it again"):
        read_connection(file)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".config").touch()
    with pytest.raises(CommandFailed, match="Not a directory"):
        prepare_folder(tmp_path / ".config" / "fyke")


def test_a_replaced_file_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    owners: list[tuple[int, int]] = []

    def refuse(_: int, user: int, group: int) -> None:
        owners.append((user, group))
        raise PermissionError

    monkeypatch.setattr(mcp_files.os, "fchown", refuse)
    replace_file(file, "[]")
    assert owners == [(file.stat().st_uid, file.stat().st_gid)]
    assert file.read_text() == "[]"


def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mcp_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, "[]")
    assert [path.name for path in tmp_path.iterdir()] == ["mcp.json"]
    assert file.read_text() == "{}"


def test_copies_of_one_second_have_different_names(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    first, second = keep_copy(file), keep_copy(file)
    assert first != second
    assert first.read_text() == second.read_text() == "{}"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
