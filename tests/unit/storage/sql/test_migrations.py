"""Migrations only add, because the previous release runs with the new tables for a while."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fyke.storage.sql.results
import fyke.storage.sql.state

REASON = "NOT_ONLY_ADDED"
LAST_BEFORE_THE_RULE = {"s": "s0035", "r": "r0005"}
FOLDERS = [
    Path(package.__path__[0]) / "migrations" / "versions"
    for package in (fyke.storage.sql.state, fyke.storage.sql.results)
]


def other_changes(source: str) -> list[str]:
    """What the migration does besides adding, as source text; nothing if it says why."""
    tree = ast.parse(source)
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == REASON:
            reason = ast.literal_eval(statement.value)
            assert isinstance(reason, str) and len(reason) > 20, f"{REASON} has to say why"
            return []
    return [ast.unparse(call) for call in _calls(tree) if not _adds(call)]


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls of Alembic and of ``migrations.ddl`` that change the database."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            is_statement = name.endswith((".execute", ".exec_driver_sql"))
            if name.startswith("op.") or name in ("table", "index") or is_statement:
                yield node


def _adds(call: ast.Call) -> bool:
    options = {str(item.arg): item.value for item in call.keywords}
    match ast.unparse(call.func).removeprefix("op."):
        case "get_bind":
            return True
        case "create_table":
            return True
        case "table":
            refs = ast.literal_eval(options["refs"]) if "refs" in options else ()
            return all(ref.endswith(" cascade") for ref in refs)
        case "index" | "create_index":
            return not _is_true(options.get("unique"))
        case "add_column":
            column = call.args[1]
            assert isinstance(column, ast.Call)
            given = {str(item.arg): item.value for item in column.keywords}
            nullable = "nullable" not in given or _is_true(given["nullable"])
            return not _is_true(given.get("unique")) and (nullable or "server_default" in given)
        case _:
            return False


def _is_true(value: ast.expr | None) -> bool:
    """Whether an option is set; one that is not literally false may be."""
    return value is not None and not (isinstance(value, ast.Constant) and value.value is False)


@pytest.mark.parametrize("folder", FOLDERS, ids=["state", "results"])
def test_a_migration_that_does_more_than_add_says_why(folder: Path) -> None:
    files = sorted(folder.glob("*_*.py"))
    last = LAST_BEFORE_THE_RULE[files[0].name[0]]
    assert any(file.name.startswith(f"{last}_") for file in files)
    for file in files:
        if file.name.partition("_")[0] > last:
            assert other_changes(file.read_text()) == [], (
                f"{file.name}: see docs/internals/storage.md, While the previous release runs"
            )


BEGIN = "from fyke.storage.sql.state.migrations.ddl import index, table, text\ndef upgrade():\n    "


@pytest.mark.parametrize(
    "statement",
    [
        'op.add_column("runs", Column("note", TEXT))',
        'op.add_column("runs", Column("note", TEXT, nullable=False, server_default=""))',
        'op.create_index("ix", "runs", ["note"], unique=False)',
        'index("ix", "runs", "note")',
        'table("notes", text("id run"), refs=("run runs.id cascade",))',
        'table("notes", text("id"))',
    ],
)
def test_what_the_previous_release_does_not_notice_is_accepted(statement: str) -> None:
    assert other_changes(BEGIN + statement) == []


@pytest.mark.parametrize(
    "statement",
    [
        'op.add_column("runs", Column("note", TEXT, nullable=False))',
        'op.add_column("runs", Column("note", TEXT, unique=True))',
        'op.drop_column("runs", "note")',
        'op.alter_column("runs", "note", nullable=False)',
        'op.rename_table("runs", "jobs")',
        'op.create_index("ix", "runs", ["note"], unique=True)',
        'index("ix", "runs", "note", unique=True)',
        'table("notes", text("id run"), refs=("run runs.id",))',
        'op.create_unique_constraint("uq", "runs", ["note"])',
        'op.execute("UPDATE runs SET note = 1")',
        'op.get_bind().execute("DROP INDEX ix")',
    ],
)
def test_what_it_may_stumble_over_needs_a_reason(statement: str) -> None:
    [found] = other_changes(BEGIN + statement)
    assert found == statement.replace('"', "'")
    reason = f'{REASON} = "the release before does not use it any more"\n'
    assert other_changes(reason + BEGIN + statement) == []
    with pytest.raises(AssertionError, match="has to say why"):
        other_changes(f'{REASON} = ""\n' + BEGIN + statement)


def test_the_migrations_before_the_rule_did_more() -> None:
    """So it was needed, and is seen in real files."""
    [last] = FOLDERS[0].glob("s0035_*.py")
    assert any("DROP INDEX" in change for change in other_changes(last.read_text()))
