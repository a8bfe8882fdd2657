"""Fixtures for commands that run in the process of the tests."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from typer import testing

from support.prepared import rows_in, state_in

# building the tree of all commands takes longer than most commands
testing._get_command = cache(testing._get_command)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of an ordinary user with an intact database."""
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    folder = tmp_path / "home"
    folder.mkdir()
    state_in(folder)
    rows_in(folder)
    (folder / "secret.key").write_text("ab" * 32)
    return folder
