"""The versions of programs and tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from fyke.app import components as module
from fyke.app.components import components, first_line_of
from fyke.app.maintenance import schema_heads
from fyke.model.installation import Component
from fyke.settings import Settings
from fyke.storage.sql.dialects import make_engine
from support.prepared import rows_in, state_in


@contextmanager
def engine_of(folder: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{folder / 'state.db'}", durable=False)
    yield engine
    engine.dispose()


def database(folder: Path) -> list[Component]:
    with engine_of(folder) as engine:
        return list(module._database(Settings(home=folder), engine))


def test_the_line_of_a_missing_or_failing_program_is_empty() -> None:
    assert first_line_of("/bin/echo", "one", "two") == "one two"
    assert first_line_of("/bin/echo", "one\ntwo") == "one"
    assert first_line_of("/bin/true") == ""
    assert first_line_of("/bin/false") == ""
    assert first_line_of("/nowhere/at/all") == ""


def test_the_line_of_a_hanging_program_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM_SECONDS", 0.05)
    assert first_line_of("/bin/sleep", "600") == ""


def test_tables_that_are_up_to_date_are_the_newest(tmp_path: Path) -> None:
    state_in(tmp_path)
    rows_in(tmp_path)
    kind, state, rows = database(tmp_path)
    assert (kind.name, kind.version[:2]) == ("SQLite", "3.")
    assert (state.name, state.version) == ("tables of state", schema_heads()[0])
    assert (rows.name, rows.version) == ("tables of rows", schema_heads()[1])
    assert {state.note, rows.note} == {"the newest"}


def test_tables_of_another_release_are_reported_with_a_remedy(tmp_path: Path) -> None:
    state_in(tmp_path)
    _, state, rows = database(tmp_path)
    assert state.note == "the newest"
    assert rows.version == ""
    assert f"needs {schema_heads()[1]}: run fyke db migrate" in rows.note


def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    found = database(tmp_path)
    assert found[-1] == Component("SQLite", "", "it does not answer")
    assert "tables of state" not in {item.name for item in found}


def test_a_missing_program_is_reported_with_its_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        module,
        "_PROGRAMS",
        (("there", "/bin/echo", "1.2", "used"), ("absent", "/nowhere", "-v", "only for tests")),
    )
    with engine_of(tmp_path) as engine:
        found = {
            component.name: component for component in components(Settings(home=tmp_path), engine)
        }
    assert found["there"] == Component("there", "1.2", "used")
    assert found["absent"] == Component("absent", "", "not found; only for tests")
    assert found["uv"].version.startswith("uv ")
    assert found["Fyke"].version


def test_a_missing_uv_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(module, "find_uv_bin", missing)
    monkeypatch.setattr(module, "_PROGRAMS", (("there", "/bin/echo", "1.2", "used"),))
    found = {program.name: program for program in module._programs()}
    assert "missing" in found["uv"].note
    assert found["there"].version == "1.2"
