"""Output to a terminal, to a pipe and as JSON."""

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


def test_a_pipe_gets_aligned_text_without_shortening() -> None:
    stdout = io.StringIO()
    Output(False, stdout).table(
        ("run", "state", "title"), [(ID, "failed", "x" * 300), ("1", "ok", "")]
    )
    lines = stdout.getvalue().splitlines()
    assert lines[0].split() == ["RUN", "STATE", "TITLE"]
    assert lines[1] == f"{ID}  failed  {'x' * 300}"
    assert lines[2] == f"{'1':<26}  ok"
    assert "\x1b" not in stdout.getvalue()


def test_on_a_terminal_only_sentences_are_shortened(narrow: None) -> None:
    stdout = Terminal()
    Output(False, stdout).table(("run", "state", "title"), [(ID, "failed", "x" * 300)])
    bare = ESCAPE.sub("", stdout.getvalue()).splitlines()
    assert bare[0].split() == ["run", "state", "title"]
    assert ID in bare[1]
    assert bare[1].endswith("\u2026")
    assert max(map(len, bare)) <= 60
    assert "\x1b[31mfailed" in stdout.getvalue()


def test_no_color_is_honoured(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stdout = Terminal()
    out = Output(False, stdout)
    out.table(("run", "state"), [(ID, "failed")])
    out.line("broken", "red")
    assert "\x1b[3" not in stdout.getvalue()


def test_control_characters_are_removed(narrow: None) -> None:
    evil = "a\x1b[2Jb\rc\u202ed"
    assert "\x1b" not in printable(evil)
    for stdout in (io.StringIO(), Terminal()):
        out = Output(False, stdout)
        out.table(("name", "title"), [("x", evil)])
        out.fields([("title", evil)])
        assert "\x1b[2J" not in stdout.getvalue()
        assert "\u202e" not in stdout.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_titles_have_no_control_characters_and_keys_keep_their_case(
    narrow: None, kind: type[io.StringIO]
) -> None:
    keys = ["a\x1b[31mb\x1b]0;pwn\x07", "A\nB"]
    table, stream = kind(), kind()
    Output(False, table).table(keys, [("1", "2")], keys=True)
    Output(False, stream).stream(keys, [[["1", "2"]]])
    for written in (table, stream):
        heading, row = ESCAPE.sub("", written.getvalue()).splitlines()
        assert re.split("  +", heading) == ["ab", "A B"] and row.split() == ["1", "2"]
        assert "\x1b[31m" not in written.getvalue()


def test_an_empty_table_prints_a_message() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    Output(False, stdout, stderr).table(("a",), [])
    assert (stdout.getvalue(), stderr.getvalue()) == ("", "Nothing found.\n")


def test_json_is_one_line_with_exact_integers() -> None:
    stdout = io.StringIO()
    Output(True, stdout).json({"n": 2**70, "text": "a\nä"})
    assert stdout.getvalue().count("\n") == 1
    assert json.loads(stdout.getvalue()) == {"n": 2**70, "text": "a\nä"}
    assert "ä" in to_json("ä")


def test_a_long_table_is_written_page_by_page() -> None:
    stdout = io.StringIO()
    pages = iter([[["1", "a"]], [["2", "longer than before"]]])
    Output(False, stdout).stream(("n", "text"), pages)
    assert stdout.getvalue().splitlines() == ["n  text", "1  a", "2  longer than before"]


def test_the_live_line_is_shown_only_on_a_terminal(narrow: None) -> None:
    stderr = Terminal()
    live = LiveLine(Output(False, io.StringIO(), stderr), stderr)
    live.show("running " + "x" * 100)
    live.clear()
    live.clear()
    assert len(stderr.getvalue().split("\x1b[K")[1].rstrip("\r")) == 59
    assert stderr.getvalue().endswith("\r\x1b[K")
    silent = io.StringIO()
    for out in (Output(False, io.StringIO(), silent), Output(True, io.StringIO(), Terminal())):
        LiveLine(out, silent).show("running")
    assert silent.getvalue() == ""
