"""Confirmation of deletions."""

from __future__ import annotations

import io
import sys

import pytest

from fyke.cli.confirm import confirm_deletion
from fyke.cli.errors import CommandFailed, Exit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_yes_confirms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert confirm_deletion("owner/hello") is None
    assert "Delete owner/hello permanently?" in capsys.readouterr().err
    for answer in ("n\n", "\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        with pytest.raises(CommandFailed, match="owner/hello was not deleted") as caught:
            confirm_deletion("owner/hello")
        assert caught.value.code is Exit.FAILED


def test_without_a_terminal_yes_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(CommandFailed, match="--yes") as caught:
        confirm_deletion("owner/hello")
    assert caught.value.code is Exit.USAGE
