"""The three dresses: terminal, pipe, JSON."""

from __future__ import annotations

import io
import json
import re

import pytest

from fyke.cli.output import LiveLine, Output, printable, to_json

ID = "01JGXXXXXXXXXXXXXXXXXXXXXX"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_pipe_gets_aligned_text_and_nothing_is_cut() -> None:
    to = io.StringIO()
    Output(False, to).table(("run", "state", "title"), [(ID, "failed", "x" * 300), ("1", "ok", "")])
    lines = to.getvalue().splitlines()
    assert lines[0].split() == ["RUN", "STATE", "TITLE"]
    assert lines[1] == f"{ID}  failed  {'x' * 300}"
    assert lines[2] == f"{'1':<26}  ok"
    assert "\x1b" not in to.getvalue()


def test_on_a_terminal_sentences_give_way_and_ids_do_not(narrow: None) -> None:
    to = Terminal()
    Output(False, to).table(("run", "state", "title"), [(ID, "failed", "x" * 300)])
    bare = ESCAPE.sub("", to.getvalue()).splitlines()
    assert bare[0].split() == ["run", "state", "title"]
    assert ID in bare[1]
    assert bare[1].endswith("\u2026")
    assert max(map(len, bare)) <= 60
    assert "\x1b[31mfailed" in to.getvalue()


def test_no_color_is_honoured(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    to = Terminal()
    out = Output(False, to)
    out.table(("run", "state"), [(ID, "failed")])
    out.line("broken", "red")
    assert "\x1b[3" not in to.getvalue()


def test_text_of_others_cannot_move_the_cursor(narrow: None) -> None:
    evil = "a\x1b[2Jb\rc\u202ed"
    assert "\x1b" not in printable(evil)
    for to in (io.StringIO(), Terminal()):
        out = Output(False, to)
        out.table(("name", "title"), [("x", evil)])
        out.fields([("title", evil)])
        assert "\x1b[2J" not in to.getvalue()
        assert "\u202e" not in to.getvalue()


def test_an_empty_table_is_said_to_be_empty() -> None:
    to, talk = io.StringIO(), io.StringIO()
    Output(False, to, talk).table(("a",), [])
    assert (to.getvalue(), talk.getvalue()) == ("", "Nothing found.\n")


def test_json_is_one_line_and_keeps_large_numbers() -> None:
    to = io.StringIO()
    Output(True, to).json({"n": 2**70, "text": "a\nä"})
    assert to.getvalue().count("\n") == 1
    assert json.loads(to.getvalue()) == {"n": 2**70, "text": "a\nä"}
    assert "ä" in to_json("ä")


def test_a_long_table_is_written_page_by_page() -> None:
    to = io.StringIO()
    pages = iter([[["1", "a"]], [["2", "longer than before"]]])
    Output(False, to).stream(("n", "text"), pages)
    assert to.getvalue().splitlines() == ["n  text", "1  a", "2  longer than before"]


def test_the_live_line_shows_on_a_terminal_only(narrow: None) -> None:
    talk = Terminal()
    live = LiveLine(Output(False, io.StringIO(), talk), talk)
    live.show("running " + "x" * 100)
    live.clear()
    live.clear()
    assert len(talk.getvalue().split("\x1b[K")[1].rstrip("\r")) == 59
    assert talk.getvalue().endswith("\r\x1b[K")
    silent = io.StringIO()
    for out in (Output(False, io.StringIO(), silent), Output(True, io.StringIO(), Terminal())):
        LiveLine(out, silent).show("running")
    assert silent.getvalue() == ""
