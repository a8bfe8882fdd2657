"""Operations on a run under three paths, with an alias for old clients."""

from __future__ import annotations

from fyke.api.call import Call
from fyke.api.serving import operations_of
from fyke.api.v2.run_selector import OperationIds, for_each_selector
from fyke.errors import RunNotAbortable, RunNotFound, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.v2.fields import PageRequest, RunId, WorkerId


class Routes:
    tag = "Results"

    @for_each_selector(
        "GET",
        "/export",
        OperationIds("exportLast", "exportOne", "exportWorkerLast"),
        scope=Scope.READ,
        errors=(RunNotAbortable,),
        run_suffix="/result/export",
        hot=True,
    )
    async def export(
        self, call: Call, query: PageRequest, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> None:
        """A file of {run}."""


def test_the_three_operations_differ_only_in_path_parameters_and_id() -> None:
    three = operations_of(Routes())
    assert [(o.id, o.path, o.declaration.path_names, o.declaration.hot) for o in three] == [
        ("exportLast", "/api/v2/worker-runs/last/export", [], False),
        ("exportOne", "/api/v2/worker-runs/{runId:run}/result/export", ["runId"], True),
        (
            "exportWorkerLast",
            "/api/v2/workers/{workerId:worker}/runs/last/export",
            ["workerId"],
            False,
        ),
    ]
    assert [tuple(o.declaration.aliases) for o in three] == [
        ("/api/v2/workers/runs/last/export",),
        (),
        (),
    ]
    assert {o.input_argument for o in three} == {("query", PageRequest)}
    assert [[path_member.attribute for path_member in o.path_members] for o in three] == [
        [],
        ["run_id"],
        ["worker_id"],
    ]
    assert [o.texts[0] for o in three] == [
        "A file of the account's newest run",
        "A file of a run",
        "A file of a worker's newest run",
    ]


def test_each_path_has_the_errors_of_its_look_ups() -> None:
    assert [tuple(o.declaration.errors) for o in operations_of(Routes())] == [
        (RunNotFound, RunNotAbortable),
        (RunNotFound, RunNotAbortable),
        (WorkerNotFound, RunNotFound, RunNotAbortable),
    ]
