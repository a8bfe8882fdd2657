"""The output of ``fyke run results``."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Raw

from fyke.cli.errors import CommandFailed
from fyke.cli.run_results import _format, _keys, export, results
from fyke.model.results import Header
from fyke_client.errors import ApiError
from fyke_client.types.rows import Column, ResultPage
from support.scripted import ScriptedServer

ROW = {name: Raw(b'"x"') for name in ("title", "link", "__coreclaw_data_id__")}
NUMBERS = ["0.12345678901234567890123", "1.10", "1E5", "12345678901234567890.5", "-0", str(2**100)]
NAMED = [Header("Name", "name", "text"), Header("Link", "link", "text")]


@pytest.mark.parametrize(
    ("headers", "keys"),
    [(NAMED, ["name", "link", "title"]), ([], ["title", "link"])],
)
def test_undeclared_keys_follow_the_declared_ones(headers: list[Header], keys: list[str]) -> None:
    assert _keys(headers, [ROW]) == keys


@pytest.mark.parametrize(
    ("format", "output", "problem"),
    [
        ("", "x.txt", "--output x.txt: its suffix is no format; choose one with --format: csv, "),
        ("txt", "x.csv", "--format txt: must be one of csv, "),
    ],
)
def test_an_unknown_format_names_the_option_that_chooses_it(
    format: str, output: str, problem: str
) -> None:
    with pytest.raises(CommandFailed, match=f"^{problem}"):
        _format(format, output)


def test_a_row_with_only_its_id_shows_the_id() -> None:
    assert _keys([], [{"__coreclaw_data_id__": Raw(b'"z"')}]) == ["__coreclaw_data_id__"]


class ServerWithRows(ScriptedServer):
    """A server with rows of one number each."""

    def __init__(self, as_json: bool = False) -> None:
        rows = [Raw(b'{"n":%b}' % number.encode()) for number in NUMBERS]
        page = ResultPage(len(rows), [Column("N", "n", "number")], rows, 1, 10)
        super().__init__(as_json, results=page)
        self.client.raw_rows = lambda run, **named: iter(rows)


@pytest.mark.parametrize("all_rows", [False, True])
def test_lines_and_tables_have_every_digit(all_rows: bool) -> None:
    server: Any = ServerWithRows()
    results(server, "R", all_rows=all_rows, as_lines=True)
    assert server.data.splitlines() == [f'{{"n":{number}}}' for number in NUMBERS]
    server = ServerWithRows()
    results(server, "R", all_rows=all_rows)
    assert server.data.split() == ["n", *NUMBERS]


def test_json_has_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    server: Any = ServerWithRows(as_json=True)
    results(server, "R")
    rows = [f'{{"n":{number}}}' for number in NUMBERS]
    assert f'"list":[{",".join(rows)}]' in server.data
    server = ServerWithRows(as_json=True)
    results(server, "R", all_rows=True)
    assert capsys.readouterr().out + server.data == "[" + ",\n".join(rows) + "]\n"


def test_cells_are_text_or_json_text() -> None:
    row = Raw('{"a":"é \\"q\\"","b":null,"c":{"d":[true,1.0]}}'.encode())
    server: Any = ScriptedServer(results=ResultPage(1, [], [row], 1, 10))
    results(server, "R")
    assert server.data.splitlines()[1].split("  ") == ['é "q"', "null", '{"d":[true,1.0]}']


RUN = "01JGZQ6X4N8R2T7V9W3Y5A1B2C"


def exported(monkeypatch: pytest.MonkeyPatch, folder: Path, worker: Any) -> str:
    """The name of the file that an export without ``--output`` has written."""
    monkeypatch.chdir(folder)
    summary = SimpleNamespace(slug=RUN, worker_slug="W", created_at=1_796_000_000)
    server: Any = ScriptedServer(run_summary=summary, worker=worker, export="link", download=3)
    export(server, RUN)
    return str(server.data.strip())


def test_a_file_without_a_name_is_named_after_worker_and_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker = SimpleNamespace(name="big-rows")
    first = exported(monkeypatch, tmp_path, worker)
    assert re.fullmatch(r"big-rows_2026-1[12]-[0-3]\d_[0-2]\d[0-5]\d\.csv", first)
    assert (tmp_path / first).is_file()
    assert exported(monkeypatch, tmp_path, worker) == first.replace(".csv", "_5A1B2C.csv")


def test_the_file_of_a_deleted_worker_is_named_after_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = ApiError(404, 50001, "gone")
    assert exported(monkeypatch, tmp_path, gone) == f"{RUN}.csv"
