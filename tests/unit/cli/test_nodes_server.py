"""The PostgreSQL of ``script/up --nodes``, when it does not run."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli.context import locate
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.nodes_server import missing_server, server_url, was_made_with_nodes
from fyke.settings import Settings
from support.commands import command


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    made = Path(tempfile.mkdtemp(prefix="fyke-nodes-"))
    yield made
    shutil.rmtree(made)


def test_a_folder_whose_database_does_not_run_is_started_with_its_nodes(folder: Path) -> None:
    assert missing_server(Settings(home=folder)) == ""  # on SQLite
    server = folder / "postgres"
    server.mkdir()
    url = server_url(server)
    (folder / "config.toml").write_text(f'database_url = "{url}"\n')
    assert missing_server(Settings(home=folder)) == f"script/up --nodes N --home {folder}"
    for name in ("n1", "n2"):
        (folder / "nodes" / name).mkdir(parents=True)
    remedy = f"script/up --nodes 2 --home {folder}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(server / ".s.PGSQL.5432"))
        assert missing_server(Settings(home=folder)) == remedy  # left by one that was killed
        listener.listen()
        assert missing_server(Settings(home=folder)) == ""
    _, _, error = command("up", "--home", folder)
    assert isinstance(error, CommandFailed) and error.code is Exit.CONFLICT
    assert str(error).endswith(f"Start it with\n  {remedy}")
    elsewhere = {"database_url": "postgresql://db.example/fyke"}
    assert missing_server(Settings(home=folder, **elsewhere)) == ""


def test_an_installation_with_nodes_that_does_not_run_is_started_with_its_own_command(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandFailed, match="Start it with fyke up"):
        locate(None, None, str(tmp_path), {})
    for folder in ("postgres", "nodes/n1", "nodes/n2"):
        (tmp_path / folder).mkdir(parents=True)
    assert was_made_with_nodes(tmp_path)
    with pytest.raises(CommandFailed, match=r"Start it with script/up --nodes 2 --home "):
        locate(None, None, str(tmp_path), {})
