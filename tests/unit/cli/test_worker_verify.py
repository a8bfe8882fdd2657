"""``worker verify`` with a run that ends as the test says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.cli.errors import Exit
from fyke.domain.logs.system import NO_HARD_LIMITS
from fyke.reasons import ReasonCode
from unit.cli.test_worker_test import FAILED, End, Invoke, invoke

__all__ = ["invoke"]  # a fixture


def verified(invoke: Invoke, end: End, *words: str, **project: Any) -> dict[str, dict[str, Any]]:
    """The checks by name; the exit status says whether all passed."""
    ended = invoke("verify", "--json", *words, ends=[end], **project)
    report = json.loads(ended.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    passed = all(check["passed"] for check in checks.values())
    assert (report["passed"], ended.exit_code) == (passed, 0 if passed else Exit.FAILED)
    return checks


def test_a_project_that_is_ready_passes_every_check(invoke: Invoke) -> None:
    no_limits = f"SYSTEM: Subtask-[7] - {NO_HARD_LIMITS}: no cgroup"
    checks = verified(invoke, {"log": ((2, "fetched"), (3, no_limits))})
    assert [*checks] == [
        "archive", "project", "installation", "run", "rows", "headers", "output schema", "log",
    ]  # fmt: skip
    assert all(check["passed"] for check in checks.values())
    assert checks["run"]["detail"] == "the example one succeeded (2 rows, 2 s)"
    assert checks["headers"]["detail"] == "2 headers from output_schema.json"


def test_each_check_that_fails_says_what_to_do(invoke: Invoke) -> None:
    headers = [{"label": "T", "key": "title", "format": "text"}]
    log = ((2, "fetched"), (3, "slow\nvery"), (4, "lost"))
    rows = [{"title": 1, "price": 2}]
    checks = verified(invoke, {"rows": rows, "headers": headers, "log": log}, "--min-rows", "2")
    failed = {name: check["detail"] for name, check in checks.items() if not check["passed"]}
    assert failed == {
        "rows": "1 row, at least 2 expected",
        "headers": "price: in the only row, but the column is not declared [undeclared]",
        "output schema": "title: declared as string, but it is integer in the only row [type]",
        "log": "2 warnings, first: slow",
    }
    assert all(checks[name]["remedy"] for name in failed)
    assert checks["headers"]["remedy"] == "let the Worker name the keys of the rows"


def test_rows_are_not_checked_after_a_run_that_failed(invoke: Invoke) -> None:
    checks = verified(invoke, FAILED)
    assert [*checks][-2:] == ["installation", "run"]
    assert checks["run"]["detail"] == "the example one: KeyError: 'x'"
    reason = {"reason_code": ReasonCode.PACKAGES_FAILED.value, "err_msg": "no matching version"}
    checks = verified(invoke, FAILED | reason)
    assert [*checks][-1] == "installation"
    assert checks["installation"]["detail"] == "no matching version"
    for end in (FAILED | {"reason_code": ReasonCode.ISOLATION_MISSING.value}, {"error": "no"}):
        checks = verified(invoke, end)
        assert [*checks] == ["archive", "project", "run"]


def test_a_project_that_cannot_be_published_is_not_run(invoke: Invoke) -> None:
    files = {"input_schema.json": "[]"}
    ended = invoke("verify", ends=[], files=files)
    assert ended.exit_code == Exit.FAILED
    archive, project = ended.stdout.splitlines()
    assert archive.startswith("ok      archive  ")
    assert project.startswith("failed  project  input_schema.json")
    assert project.endswith("Remedy: correct this; fyke worker check shows it")
    assert "1 check failed; the project is not ready." in ended.stderr


def test_an_archive_beyond_the_limits_is_the_first_check(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.domain.workers.archive.MAX_ENTRIES", 2)
    ended = invoke("verify", ends=[])
    assert ended.exit_code == Exit.FAILED
    assert ended.stdout.startswith("failed  archive  ")
