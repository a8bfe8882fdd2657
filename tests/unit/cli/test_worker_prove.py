"""``worker prove`` with a local run and a platform that are not there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from fyke.cli import run_watch, worker_prove
from fyke.cli.context import ServerContext
from fyke.cli.errors import Exit
from fyke.cli.local_series import ExampleRun
from fyke.cli.worker_prove import prove
from fyke.domain.workers.project import read_project
from fyke_client import ApiError
from support.projects import python_project
from unit.cli.test_worker_run import SUCCEEDED

ROWS = [{"id": 1, "price": 5, "at": "10:00"}, {"id": 2, "price": 6, "at": "10:00"}]
LATER = [row | {"at": "11:00"} for row in reversed(ROWS)]
ARCHIVE = python_project("import sdk\n", **{"examples/one.json": '{"q": 1}'})


class Client:
    """A platform whose run of the Worker ends with ``rows``."""

    def __init__(self, rows: list[dict[str, Any]], digest: str | None) -> None:
        self._rows, self._digest = rows, digest
        self.started: list[tuple[Any, ...]] = []

    def versions(self, worker: str) -> list[Any]:
        if self._digest is None:
            raise ApiError(404, 50001, "no such worker")
        return [SimpleNamespace(version="v1.0.2", latest=True, digest=self._digest)]

    def start(self, worker: str, custom: Any, **how: Any) -> str:
        self.started.append((worker, custom, how))
        return "RUN"

    def rows(self, run: str) -> list[dict[str, Any]]:
        assert run == "RUN"
        return self._rows

    def close(self) -> None: ...


class Proof:
    """The result of one call."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
        local: list[dict[str, Any]],
        remote: list[dict[str, Any]],
        *,
        as_json: bool = False,
        state: str = "succeeded",
        digest: str | None = "",
        **words: Any,
    ) -> None:
        detail = SimpleNamespace(
            slug="RUN", status_name=state, err_msg="lost" * (state == "failed"), version="v1.0.2"
        )
        watch = SimpleNamespace(until_end=lambda: detail)
        monkeypatch.setattr(run_watch, "RunWatch", lambda *_: watch)
        monkeypatch.setattr(
            worker_prove,
            "run_examples",
            lambda _, examples, how: [ExampleRun(examples[0], SUCCEEDED, local, [], [])],
        )
        (folder / "worker.zip").write_bytes(ARCHIVE)
        server = ServerContext(None, None, str(folder), as_json)
        self.client = Client(remote, digest)
        server.__dict__["client"] = self.client
        self.code = 0
        try:
            prove(server, "acme/shop", project=folder / "worker.zip", **words)
        except typer.Exit as ended:
            self.code = ended.exit_code


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return lambda *rows, **how: Proof(monkeypatch, tmp_path, *rows, **how)


def test_the_same_rows_in_another_order_are_a_proof(call: Any, capsys: Any) -> None:
    proof = call(ROWS, [*reversed(ROWS)], memory=1024)
    assert proof.code == 0
    [(worker, custom, how)] = proof.client.started
    assert (worker, custom, how["system"]) == ("acme/shop", {"q": 1}, {"memory": 1024})
    out, err = capsys.readouterr()
    assert out == "2 rows equal\n"
    assert err.endswith("Both runs gave the same rows.\n")


def test_what_differs_is_said_and_can_be_ignored(call: Any, capsys: Any) -> None:
    assert call(ROWS, LATER).code == Exit.FAILED
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "0 rows equal",
        'at: differs in 2 rows, first "10:00" here, "11:00" on the platform',
    ]
    assert err.endswith("Only these columns differ; --ignore at compares the others.\n")
    assert call(ROWS, LATER, ignore=" at, x").code == 0


def test_rows_of_one_run_only_are_shown(call: Any, capsys: Any) -> None:
    assert call([*ROWS, {"other": 1}], ROWS[:1]).code == Exit.FAILED
    assert capsys.readouterr().out.splitlines() == [
        "1 row equal",
        "2 rows only here",
        '  {"id": 2, "price": 6, "at": "10:00"}',
        '  {"other": 1}',
    ]


def test_other_files_on_the_platform_are_said(call: Any, capsys: Any) -> None:
    other = "The version v1.0.2 on the platform has other files than this project"
    for digest, said in ((None, False), (read_project(ARCHIVE).digest, False), ("00", True)):
        assert call(ROWS, ROWS, digest=digest).code == 0
        assert (other in capsys.readouterr().err) == said


def test_runs_that_fail_or_give_nothing_prove_nothing(call: Any, capsys: Any) -> None:
    assert call(ROWS, ROWS, state="failed").code == Exit.FAILED
    assert "The run RUN on the platform failed: lost" in capsys.readouterr().out
    assert call([], []).code == Exit.FAILED
    assert "Both runs gave no rows" in capsys.readouterr().out


def test_the_result_as_json(call: Any, capsys: Any) -> None:
    assert call(ROWS, LATER[:1], as_json=True).code == Exit.FAILED
    data = json.loads(capsys.readouterr().out)
    assert (data["equal"], data["rows_equal"], data["fields"]) == (False, 0, {"at": 1})
    assert data["platform"] == {"run": "RUN", "version": "v1.0.2", "state": "succeeded", "rows": 1}
    assert data["local"] == {"state": "succeeded", "rows": 2}
    assert data["only_local"] == [ROWS[0]]


def test_an_interruption_says_that_the_other_run_continues(
    call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "worker.zip").write_bytes(ARCHIVE)
    server = ServerContext(None, None, str(tmp_path), False)
    server.__dict__["client"] = Client([], "")

    def interrupted(*_: Any) -> Any:
        raise typer.Exit(Exit.INTERRUPTED)

    monkeypatch.setattr(worker_prove, "run_examples", interrupted)
    with pytest.raises(typer.Exit):
        prove(server, "acme/shop", tmp_path / "worker.zip")
    assert 'stop it with "fyke run abort RUN"' in capsys.readouterr().err
