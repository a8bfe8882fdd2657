"""What can be done with a run exists in three places; a fourth is for old clients."""

from __future__ import annotations

from fyke.api.call import Call
from fyke.api.operations import Nothing, Operation
from fyke.api.v2.fields import Page, RunRef, WorkerRef
from fyke.api.v2.run_scopes import Names, in_all_scopes


async def handler(_call: Call, _wanted: Page) -> bytes:
    return b"null"


def test_the_three_operations_differ_in_path_reference_and_name_only() -> None:
    last, run, worker = in_all_scopes(
        "GET",
        "/export",
        Names("exportLast", "exportOne", "exportWorkerLast"),
        tag="Results",
        summary="A file of {run}",
        fields=Page,
        handler=handler,
        run_suffix="/result/export",
        hot=True,
    )
    assert [(o.id, o.path, o.path_fields, o.hot) for o in (last, run, worker)] == [
        ("exportLast", "/api/v2/worker-runs/last/export", (), False),
        ("exportOne", "/api/v2/worker-runs/{runId:run}/result/export", ("runId",), True),
        (
            "exportWorkerLast",
            "/api/v2/workers/{workerId:worker}/runs/last/export",
            ("workerId",),
            False,
        ),
    ]
    assert [o.aliases for o in (last, run, worker)] == [
        ("/api/v2/workers/runs/last/export",),
        (),
        (),
    ]
    assert last.fields is Page
    assert issubclass(run.fields, RunRef) and issubclass(run.fields, Page)
    assert issubclass(worker.fields, WorkerRef) and issubclass(worker.fields, Page)
    assert [o.summary for o in (last, run, worker)] == [
        "A file of the account's newest run",
        "A file of a run",
        "A file of a worker's newest run",
    ]


def test_the_errors_of_a_place_are_those_of_what_it_looks_up() -> None:
    operations: list[Operation[Nothing]] = in_all_scopes(
        "POST",
        "/abort",
        Names("a", "b", "c"),
        tag="Runs",
        summary="Stop {run}",
        fields=Nothing,
        handler=handler,  # type: ignore[arg-type] # never called
    )
    codes = [[row.code for row in operation.errors] for operation in operations]
    assert codes == [[70001], [70001], [50001, 70001]]
