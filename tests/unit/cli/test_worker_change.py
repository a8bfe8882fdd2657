"""Deleting a Worker is asked about first."""

from __future__ import annotations

import io
import sys

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.worker_change import _ask


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_yes_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert _ask("owner/hello") is None
    assert "Delete owner/hello permanently?" in capsys.readouterr().err
    for answer in ("n\n", "\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        with pytest.raises(CommandFailed, match="owner/hello stays as it is") as caught:
            _ask("owner/hello")
        assert caught.value.code is Exit.FAILED


def test_without_a_terminal_the_choice_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(CommandFailed, match="--yes") as caught:
        _ask("owner/hello")
    assert caught.value.code is Exit.USAGE
