"""The operations on a run exist under three paths; a fourth is for old clients."""

from __future__ import annotations

from fyke.api.call import Call
from fyke.api.serving import operations_of
from fyke.api.v2.run_scopes import Names, in_all_scopes
from fyke.errors import RunNotAbortable, RunNotFound, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.v2.fields import PageRequest, RunId, WorkerId


class Routes:
    tag = "Results"

    @in_all_scopes(
        "GET",
        "/export",
        Names("exportLast", "exportOne", "exportWorkerLast"),
        scope=Scope.READ,
        errors=(RunNotAbortable,),
        run_suffix="/result/export",
        hot=True,
    )
    async def export(
        self, call: Call, wanted: PageRequest, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> None:
        """A file of {run}."""


def test_the_three_operations_differ_in_path_reference_and_name_only() -> None:
    three = operations_of(Routes())
    assert [(o.id, o.path, o.says.path_names, o.says.hot) for o in three] == [
        ("exportLast", "/api/v2/worker-runs/last/export", [], False),
        ("exportOne", "/api/v2/worker-runs/{runId:run}/result/export", ["runId"], True),
        (
            "exportWorkerLast",
            "/api/v2/workers/{workerId:worker}/runs/last/export",
            ["workerId"],
            False,
        ),
    ]
    assert [tuple(o.says.aliases) for o in three] == [
        ("/api/v2/workers/runs/last/export",),
        (),
        (),
    ]
    assert {o.takes for o in three} == {("wanted", PageRequest)}
    assert [[each.attribute for each in o.path_members] for o in three] == [
        [],
        ["run_id"],
        ["worker_id"],
    ]
    assert [o.texts[0] for o in three] == [
        "A file of the account's newest run",
        "A file of a run",
        "A file of a worker's newest run",
    ]


def test_the_errors_of_a_path_are_those_of_what_it_looks_up() -> None:
    assert [tuple(o.says.errors) for o in operations_of(Routes())] == [
        (RunNotFound, RunNotAbortable),
        (RunNotFound, RunNotAbortable),
        (WorkerNotFound, RunNotFound, RunNotAbortable),
    ]
