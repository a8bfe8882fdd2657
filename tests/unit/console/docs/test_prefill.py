"""The playground is filled with objects of the user instead of the samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.api.docs.samples import BY_NAME
from fyke.console.docs.prefill import OwnObjects, _own, filled, first_input
from fyke.console.docs.reference import OperationPage, ReferenceField
from fyke.model.account import Caller
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.state.transaction import SqlTransaction
from support import records
from support.prepared import state_in

OWN = OwnObjects("01WORKER", "acme~prices", {"urls": ["x"]}, "01RUN", "01TASK")


def page(*parameters: ReferenceField, body: Any = None) -> OperationPage:
    text = "" if body is None else json.dumps(body)
    return OperationPage(
        "x", "POST", "/x", "v2", "Runs", "X", "", False, parameters, "", (), text, ()
    )


def parameter(place: str, example: str, *, required: bool = False) -> ReferenceField:
    return ReferenceField("p", place, "string", required, "", example)


def body_of(own: OwnObjects, body: Any) -> Any:
    return json.loads(filled(page(body=body), own).body)


def schema(*properties: Any) -> str:
    return json.dumps({"properties": list(properties)})


def test_the_first_input_has_defaults_and_minimal_required_values() -> None:
    custom = first_input(
        schema(
            {"name": "off", "type": "boolean", "default": False, "required": True},
            {"name": "text", "type": "string", "required": True},
            {"name": "count", "type": "integer", "required": True},
            {"name": "share", "type": "number", "required": True},
            {"name": "list", "type": "array", "required": True},
            {"name": "map", "type": "object", "required": True},
            {"name": "flag", "type": "boolean", "required": True},
            {"name": "odd", "type": "mystery", "required": True},
            {"name": "may_be_left_out", "type": "string"},
            {"name": "null", "type": "string", "default": None},
        )
    )
    assert custom == {
        "off": False, "text": "text", "count": 1, "share": 1, "list": [], "map": {}, "flag": False,
        "odd": "text",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"properties": {}}', '{"properties": [1, {"name": 2}, {}]}']
)
def test_a_schema_without_fields_gives_an_empty_input(text: str) -> None:
    assert first_input(text) == {}


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[SqlTransaction]:
    engine = make_engine(state_in(tmp_path), durable=False)
    with for_writing(engine).connect() as connection, connection.begin():
        yield SqlTransaction(connection, hiding=frozenset())
    engine.dispose()


def test_the_latest_objects_of_the_account_are_used(tx: SqlTransaction) -> None:
    owner, worker_id = records.seed(tx)
    stranger, foreign = records.seed(tx)
    schema = '{"properties":[{"name":"a","type":"integer","default":3}]}'
    worker = records.worker(owner, owner="acme", name="prices")
    tx.workers.add(worker)
    tx.workers.add_version(records.version(worker.id, input_schema=schema))
    worker = tx.workers.get(worker.id)
    runs = [records.seed_run(tx, owner, worker_id, created_at=n) for n in (1, 2)]
    tasks = [records.task(owner, worker_id, created_at=n) for n in (1, 2)]
    for task in (*tasks, records.task(stranger, foreign, created_at=3)):
        tx.tasks.add(task)
    records.seed_run(tx, stranger, foreign, created_at=3)
    assert _own(tx, Caller(owner, "acme", False, "u", ""), worker) == OwnObjects(
        worker.id, "acme~prices", {"a": 3}, runs[1].id, tasks[1].id
    )


def test_an_empty_account_keeps_the_samples(tx: SqlTransaction) -> None:
    assert _own(tx, Caller("nothing", "acme", False, "u", ""), None) == OwnObjects()


def test_ids_of_samples_are_replaced_anywhere_in_the_body() -> None:
    body = {
        "scraper_slug": BY_NAME["scraper_slug"],
        "list": [{"run": BY_NAME["run_slug"]}, BY_NAME["task_slug"]],
        "at": f"see {BY_NAME['run_slug']}",
        "count": 1,
    }
    assert body_of(OWN, body) == {
        "scraper_slug": "01WORKER",
        "list": [{"run": "01RUN"}, "01TASK"],
        "at": body["at"],
        "count": 1,
    }


def test_the_custom_input_is_replaced_by_that_of_the_schema() -> None:
    body = {"parameters": {"custom": {"urls": ["sample"]}, "system": {"custom": "text"}}}
    parameters = body_of(OWN, body)["parameters"]
    assert parameters == {"custom": {"urls": ["x"]}, "system": {"custom": "text"}}
    assert body_of(OwnObjects(), body) == body
    assert body_of(OwnObjects(input={}), body)["parameters"]["custom"] == {}


def test_users_without_objects_see_the_samples() -> None:
    run = parameter("path", BY_NAME["run_slug"])
    [kept] = filled(page(run), OwnObjects()).parameters
    assert kept.example == BY_NAME["run_slug"]
    assert filled(page(), OwnObjects()).body == ""


def test_only_required_parameters_are_filled_in() -> None:
    worker = BY_NAME["workerId"]
    found = filled(
        page(
            parameter("path", worker),
            parameter("query", worker),
            parameter("query", "csv", required=True),
            parameter("header", "order-1"),
        ),
        OWN,
    )
    assert [item.example for item in found.parameters] == ["acme~prices", "", "csv", ""]
